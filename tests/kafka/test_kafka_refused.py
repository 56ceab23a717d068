"""What Kafka or its client says no to: wrong credentials, missing rights, options that contradict our promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import (
    AclOperation,
    ResourceType,
)
from kafka_support import QUIET, Member, fill, policy_for
from support.secured_kafka import SecuredKafka

from stream.check.kafka import check_kafka
from stream.explain.place import PlaceReader
from stream.kafka.client_config import (
    KafkaPolicy,
    common_config,
    consumer_config,
    open_client,
    producer_config,
    reader_config,
    subscription,
)
from stream.kafka.dead_letters import DeadLetterTopic
from stream.kafka.reader import OffsetReader
from stream.kafka.topics import DeadLetterPlan, Topics
from stream.model.errors import ConfigError, RefusedError
from stream.model.records import RecordId
from stream.runtime.group_layout import check_layout
from stream.runtime.policies import kafka_policy
from stream.settings.model import Settings


def as_user(kafka: SecuredKafka, *names: str, user: str, password: str = "", **more: Any) -> KafkaPolicy:
    """A policy of a client that logs in."""
    found = policy_for(kafka, *names, options=kafka.plain(user, password), **more)
    return replace(found, bootstrap_servers=kafka.sasl_bootstrap)


def test_a_wrong_password_ends_every_client_as_refused(secured_kafka: SecuredKafka) -> None:
    """Member, questions about topics, questions about offsets: the same exit code."""
    policy = as_user(secured_kafka, "events", user="reader", password="wrong")
    with Member(policy) as member:
        error = member.wait_ended()
    assert isinstance(error, RefusedError)
    assert error.exit_code == 3
    with pytest.raises(RefusedError):
        Topics(common_config(policy)).partition_counts(2)
    with OffsetReader(reader_config(policy)) as reader, pytest.raises(RefusedError):
        reader.partitions(["events"], 2)


def test_the_right_password_and_rights_are_enough(secured_kafka: SecuredKafka, topic_name: str) -> None:
    """Reading the topic and being in the group need no more than this."""
    secured_kafka.create_topic(topic_name)
    fill(secured_kafka, topic_name, 3)
    secured_kafka.allow(ResourceType.TOPIC, topic_name, AclOperation.READ, AclOperation.DESCRIBE)
    secured_kafka.allow(ResourceType.GROUP, topic_name, AclOperation.READ)
    with Member(as_user(secured_kafka, topic_name, user="reader")) as member:
        member.wait_records(3)
    assert member.error is None


@pytest.mark.parametrize("missing", ["topic", "group"])
def test_a_missing_right_ends_the_member_as_refused(secured_kafka: SecuredKafka, topic_name: str, missing: str) -> None:
    """At the start, with the name of what was refused."""
    secured_kafka.create_topic(topic_name)
    if missing == "group":
        secured_kafka.allow(ResourceType.TOPIC, topic_name, AclOperation.READ, AclOperation.DESCRIBE)
    else:
        secured_kafka.allow(ResourceType.GROUP, topic_name, AclOperation.READ)
    with Member(as_user(secured_kafka, topic_name, user="reader")) as member:
        error = member.wait_ended()
    assert isinstance(error, RefusedError)
    assert f"{missing.upper()}_AUTHORIZATION_FAILED" in str(error)


def test_a_dead_letter_topic_that_may_not_be_created_is_refused_with_the_command(
    secured_kafka: SecuredKafka, topic_name: str
) -> None:
    """Whoever may create it can paste the line."""
    secured_kafka.create_topic(topic_name, 3)
    rights = AclOperation.READ, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS
    secured_kafka.allow(ResourceType.TOPIC, topic_name, *rights)
    topics = Topics(common_config(as_user(secured_kafka, topic_name, user="reader")))
    with pytest.raises(RefusedError) as found:
        topics.ensure_dead_letters(DeadLetterPlan(f"{topic_name}.dl", True, 3600), [topic_name])
    assert f"--create --topic {topic_name}.dl --partitions 3 --config cleanup.policy=delete" in str(found.value)


def settings_of(kafka: SecuredKafka, topic: str, **more: Any) -> Settings:
    """Settings of a reader that logs in, the group named as the topic."""
    options = {**QUIET, **kafka.plain("reader")}
    table = {"bootstrap_servers": kafka.sasl_bootstrap, "topics": [topic], "group_id": topic, "options": options}
    workflow = {"name": "orders", "url": "https://hooks.example.com/wf"}
    return Settings.model_validate({"kafka": table, "workflow": [workflow], **more})


def findings_of(settings: Settings) -> dict[str, tuple[str, str]]:
    return {finding.what: (finding.verdict, finding.detail) for finding in check_kafka(settings)}


def test_check_finds_each_missing_right(secured_kafka: SecuredKafka, topic_name: str) -> None:
    """With the command that grants it; nothing is created, and what is granted then is found."""
    secured_kafka.create_topic(topic_name, 2)
    settings, letters = settings_of(secured_kafka, topic_name), f"{topic_name}.dead-letters"
    found = findings_of(settings)
    for what, option in ((f"topic {topic_name}", f"--topic {topic_name}"), (f"group {topic_name}", "--group ")):
        assert found[what][0] == "refused"
        assert f"--operation Read {option}" in found[what][1]
    assert found[f"dead-letter topic {letters}"][0] == "refused"
    assert f"--create --topic {letters} --partitions" in found[f"dead-letter topic {letters}"][1]

    secured_kafka.allow(ResourceType.TOPIC, topic_name, AclOperation.READ)
    secured_kafka.allow(ResourceType.GROUP, topic_name, AclOperation.READ)
    secured_kafka.allow(ResourceType.TOPIC, letters, AclOperation.CREATE, AclOperation.DESCRIBE)
    assert findings_of(settings)[f"dead-letter topic {letters}"] == ("ok", "missing: run creates it")

    secured_kafka.create_topic(letters, 2)
    found = findings_of(settings)
    assert found[f"topic {topic_name}"] == ("ok", "2 partitions")
    assert found[f"group {topic_name}"] == ("ok", "nothing committed yet: starts at earliest")
    assert found[f"group {topic_name}.orders"] == ("ok", "may not be seen: counts as never used")
    assert found[f"dead-letter topic {letters}"][0] == "refused"
    assert f"--operation Write --topic {letters}" in found[f"dead-letter topic {letters}"][1]


def test_a_start_needs_only_the_groups_that_it_uses(secured_kafka: SecuredKafka, topic_name: str) -> None:
    """Sharing a group, workflows' own may be out of sight; with groups of their own all count."""
    secured_kafka.create_topic(topic_name)
    secured_kafka.allow(ResourceType.TOPIC, topic_name, AclOperation.READ)
    secured_kafka.allow(ResourceType.GROUP, topic_name, AclOperation.READ)
    shared = settings_of(secured_kafka, topic_name)
    assert check_layout(shared, kafka_policy(shared)) == (f"{topic_name}.orders",)
    isolated = settings_of(secured_kafka, topic_name, isolation="workflow")
    with pytest.raises(RefusedError, match=rf"{topic_name}\.orders.*--operation Read --group"):
        check_layout(isolated, kafka_policy(isolated))


def test_explain_tells_which_groups_it_may_not_see(secured_kafka: SecuredKafka, topic_name: str) -> None:
    """And says all the rest."""
    secured_kafka.create_topic(topic_name)
    fill(secured_kafka, topic_name, 1)
    secured_kafka.allow(ResourceType.TOPIC, topic_name, AclOperation.READ)
    secured_kafka.allow(ResourceType.GROUP, topic_name, AclOperation.READ)
    settings = settings_of(secured_kafka, topic_name, isolation="workflow")
    record, standing = PlaceReader(settings, kafka_policy(settings)).read(RecordId(topic_name, 0, 0))
    assert (record.offset, standing.first, standing.end) == (0, 0, 1)
    (group,) = standing.groups
    assert (group.group, group.state, group.workflows) == (f"{topic_name}.orders", "unseen", {"orders": "unknown"})


def nowhere(**more: Any) -> KafkaPolicy:
    return KafkaPolicy("127.0.0.1:1", ("events",), "g", **more)


UNKNOWN = {"no.such.option": "1"}


@pytest.mark.parametrize(
    "open_it",
    [
        lambda: Topics(common_config(nowhere(options=UNKNOWN))),
        lambda: OffsetReader(reader_config(nowhere(options=UNKNOWN))),
        lambda: DeadLetterTopic(producer_config(nowhere(options=UNKNOWN)), "t", "g", 1, print),
    ],
    ids=["topics", "reader", "dead letters"],
)
def test_an_option_that_the_client_does_not_know_is_a_mistake_in_the_settings(open_it: Callable[[], object]) -> None:
    """Exit 2, with the option's name."""
    with pytest.raises(ConfigError, match=r"no\.such\.option"):
        open_it()


def test_a_member_with_such_an_option_ends_at_once() -> None:
    """Nothing was started that would have to be closed."""
    with Member(nowhere(consumer_options=UNKNOWN)) as member:
        assert isinstance(member.wait_ended(), ConfigError)


def test_a_short_poll_interval_shortens_the_session() -> None:
    """librdkafka refuses a session longer than the poll interval; an explicit one is left alone."""
    assert consumer_config(nowhere(max_poll_interval_s=15.0))["session.timeout.ms"] == 15_000
    assert consumer_config(nowhere())["session.timeout.ms"] == 45_000
    assert consumer_config(nowhere(options={"session.timeout.ms": 7000}))["session.timeout.ms"] == 7000
    assert "session.timeout.ms" not in consumer_config(nowhere(group_protocol="consumer"))


@pytest.mark.parametrize("option", ["message.max.bytes", "receive.message.max.bytes", "fetch.max.bytes"])
def test_sizes_that_the_settings_give_are_taken(option: str) -> None:
    """librdkafka refuses sizes that do not fit each other; ours give way."""
    size = 60_000_000
    for policy in (nowhere(options={option: size}), nowhere(consumer_options={option: size})):
        config = consumer_config(policy)
        assert config[option] == size
        open_client(Consumer, config).close()


def test_what_our_promises_rest_on_is_above_the_options() -> None:
    """Also where the settings would let something through."""
    chosen = {"enable.auto.commit": True, "auto.offset.reset": "latest", "acks": 1, "enable.idempotence": False}
    policy = nowhere(options=chosen, consumer_options=chosen, producer_options=chosen)
    consumer, producer = consumer_config(policy), producer_config(policy)
    assert (consumer["enable.auto.commit"], consumer["auto.offset.reset"]) == (False, "error")
    assert (producer["acks"], producer["enable.idempotence"]) == ("all", True)


def test_a_pattern_means_the_same_with_either_protocol() -> None:
    """A broker compares the whole name, the client its beginning."""
    topics = ("events", "^events-")
    assert subscription(KafkaPolicy("", topics, "g")) == ["events", "^events-"]
    assert subscription(KafkaPolicy("", topics, "g", group_protocol="consumer")) == ["events", "^(events-).*"]

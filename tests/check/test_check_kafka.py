"""What `check` finds out about Kafka, on a real broker."""

from __future__ import annotations

from typing import Any

import pytest
from support.topics import Broker, produce_events

from stream.check.kafka import check_kafka
from stream.kafka.groups import Groups
from stream.kafka.topics import HEADER_ROOM_BYTES
from stream.model.committed import Committed
from stream.model.records import TopicPartition
from stream.settings.model import Settings

URL = "https://hooks.example.com/wf/1"


def settings_of(broker: Broker, topic: str, **more: Any) -> Settings:
    """Settings of one workflow, the group named as the topic."""
    kafka = {"bootstrap_servers": broker.bootstrap, "topics": [topic], "group_id": topic, **more.pop("kafka", {})}
    return Settings.model_validate({"kafka": kafka, "workflow": [{"name": "orders", "url": URL}], **more})


def found(settings: Settings) -> dict[str, tuple[str, str]]:
    """Verdict and detail by what was looked at."""
    return {finding.what: (finding.verdict, finding.detail) for finding in check_kafka(settings)}


def commit(broker: Broker, group: str, tp: TopicPartition, offset: int) -> None:
    """Commit from outside."""
    Groups({"bootstrap.servers": broker.bootstrap}).write(group, {tp: Committed(offset)})


def test_a_pattern_is_looked_up(apache_kafka: Broker, topic_name: str) -> None:
    """Each topic that it matches, none of our own; the command for a missing dead-letter topic has their partitions."""
    for suffix, partitions in ((".a", 3), (".b", 1), (".dead-letters", 7)):
        apache_kafka.create_topic(topic_name + suffix, partitions)
    kafka = {"topics": [f"^{topic_name}"], "group_id": topic_name}
    findings = found(settings_of(apache_kafka, topic_name, kafka=kafka))
    assert [what for what in findings if what.startswith("topic ")] == [
        f"topic {topic_name}.a",
        f"topic {topic_name}.b",
    ]
    letters = {"create": False, "topic": f"{topic_name}-letters"}
    findings = found(settings_of(apache_kafka, topic_name, kafka=kafka, dead_letter=letters))
    verdict, detail = findings[f"dead-letter topic {topic_name}-letters"]
    assert verdict == "failed"
    assert f"--create --topic {topic_name}-letters --partitions 3 --config cleanup.policy=delete" in detail


def test_a_pattern_that_matches_nothing(apache_kafka: Broker, topic_name: str) -> None:
    """It is failed, like a topic that is missing."""
    findings = found(settings_of(apache_kafka, topic_name, kafka={"topics": [f"^{topic_name}", "no-such-topic"]}))
    assert findings[f"topics ^{topic_name}"][0] == "failed"
    assert findings["topic no-such-topic"][1].startswith("It does not exist. Create it, or correct kafka.topics")


def test_a_misspelled_topic_is_named_with_the_one_that_was_meant(apache_kafka: Broker, topic_name: str) -> None:
    """As for a setting's key."""
    apache_kafka.create_topic(topic_name, 1)
    detail = found(settings_of(apache_kafka, topic_name[:-1]))[f"topic {topic_name[:-1]}"][1]
    assert detail == f"It does not exist. Create it, or correct kafka.topics: did you mean {topic_name}?"


def test_a_dead_letter_topic_too_small_for_the_events(apache_kafka: Broker, topic_name: str) -> None:
    """The command that mends it is printed; large enough, it is no finding."""
    apache_kafka.create_topic(topic_name, 1, {"max.message.bytes": "3000000"})
    apache_kafka.create_topic(f"{topic_name}.dead-letters", 1)
    settings = settings_of(apache_kafka, topic_name)
    verdict, detail = found(settings)[f"dead-letter topic {topic_name}.dead-letters"]
    assert verdict == "warning"
    assert detail.endswith(f"--add-config max.message.bytes={3_000_000 + HEADER_ROOM_BYTES}")


@pytest.mark.parametrize(("policy", "verdict"), [("stop", "failed"), ("skip", "warning")])
def test_a_committed_offset_that_is_gone(apache_kafka: Broker, topic_name: str, policy: str, verdict: str) -> None:
    """Found before the run stops at it, with what the run would do."""
    apache_kafka.create_topic(topic_name, 2)
    produce_events(apache_kafka.bootstrap, topic_name, [(None, b"{}", 0, None)])
    commit(apache_kafka, topic_name, TopicPartition(topic_name, 0), 7)
    found = check_kafka(settings_of(apache_kafka, topic_name, kafka={"on_data_loss": policy}))
    told = [finding for finding in found if finding.what == f"group {topic_name}"]
    assert [finding.verdict for finding in told] == [verdict, "ok"]
    assert f"{topic_name}:0 is committed at 7, which the topic no longer holds" in told[0].detail
    assert told[1].detail == "committed offsets on 1 of 2 partitions"


def test_the_other_layout_has_newer_offsets(apache_kafka: Broker, topic_name: str) -> None:
    """What a start refuses is found, with the command that carries the offsets over."""
    apache_kafka.create_topic(topic_name, 1)
    produce_events(apache_kafka.bootstrap, topic_name, [(None, b"{}", 0, None)])
    commit(apache_kafka, f"{topic_name}.orders", TopicPartition(topic_name, 0), 1)
    verdict, detail = found(settings_of(apache_kafka, topic_name))["isolation"]
    assert verdict == "failed"
    assert "offsets migrate --to shared" in detail
    findings = found(settings_of(apache_kafka, topic_name, isolation="workflow"))
    assert "isolation" not in findings
    assert findings[f"group {topic_name}.orders"] == ("ok", "committed offsets on 1 of 1 partitions")


def test_commits_longer_than_the_broker_takes(apache_kafka: Broker, topic_name: str) -> None:
    """They would fail, and with them every commit of a long map."""
    apache_kafka.create_topic(topic_name, 1)
    findings = found(settings_of(apache_kafka, topic_name, kafka={"metadata_max_bytes": 5000}))
    verdict, detail = findings["kafka.metadata_max_bytes"]
    assert verdict == "warning"
    assert detail.endswith("Set it to 4096 or less.")


def test_without_dead_letters_their_topic_is_not_looked_at(apache_kafka: Broker, topic_name: str) -> None:
    """Nothing of a topic that is not used."""
    apache_kafka.create_topic(topic_name, 1)
    held = {"workflow": [{"name": "orders", "url": URL, "on_failure": "hold"}], "dead_letter": {"enabled": False}}
    findings = found(settings_of(apache_kafka, topic_name, **held))
    assert not [what for what in findings if what.startswith("dead-letter topic")]

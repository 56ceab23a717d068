"""What needs a broker of its own: Kafka gone or frozen, and a log cleaner in a hurry.

Nothing crashes, nothing is lost, and a stop does not wait for Kafka.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assertions import HANG_S
from engine_support import PATH, RunningProcessor, put
from kafka_support import Member, committed, fill, policy_for, until
from support import topics
from support.receiver import FaultReceiver

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.kafka_jars import KafkaUnavailable
from stream.kafka.client_config import KafkaPolicy
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome

DRAIN_S = 2.0
BOUND_S = HANG_S
"""What the design allows a stop."""


@pytest.fixture(scope="module")
def shaky_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """Apache Kafka for the tests of this file, which leave it running."""
    kafka = ApacheKafka(tmp_path_factory.mktemp("shaky"), {"log.cleaner.backoff.ms": "200"})
    try:
        kafka.start()
    except KafkaUnavailable as missing:
        pytest.skip(str(missing))
    with kafka:
        yield kafka


pytestmark = pytest.mark.kafka


def policy(kafka: ApacheKafka, topic: str, **more: Any) -> KafkaPolicy:
    return policy_for(kafka, topic, drain_timeout_s=DRAIN_S, **more)


def test_a_broker_that_comes_back_is_read_on(shaky_kafka: ApacheKafka, topic_name: str) -> None:
    """No record twice, none missing; few lines in the log; commits go on."""
    shaky_kafka.create_topic(topic_name, 2)
    fill(shaky_kafka, topic_name, 10, (0, 1))
    options = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 200}
    with Member(policy(shaky_kafka, topic_name, consumer_options=options)) as member:
        member.wait_records(10)
        member.commit()
        shaky_kafka.kill()
        member.commit(wait=False)
        shaky_kafka.restart()
        fill(shaky_kafka, topic_name, 10, (0, 1))
        member.wait_records(20)
        member.wait(lambda: len(member.source.results) >= 4, 60)
        member.commit()
        assert not member.has_ended
        assert len({sentence for _, sentence, _ in member.logger.lines}) <= 4  # the log limits each
        assert [member.source.offsets(p) for p in (0, 1)] == [list(range(10))] * 2
    assert committed(shaky_kafka, topic_name) == {0: 10, 1: 10}


def test_a_frozen_broker_is_waited_for(shaky_kafka: ApacheKafka, topic_name: str) -> None:
    """Five seconds without an answer are no reason to do anything; the commit sent meanwhile is stored."""
    shaky_kafka.create_topic(topic_name)
    fill(shaky_kafka, topic_name, 5)
    options = {"session.timeout.ms": 45_000, "heartbeat.interval.ms": 200}
    with Member(policy(shaky_kafka, topic_name, consumer_options=options)) as member:
        member.wait_records(5)
        shaky_kafka.stop()
        frozen_at = time.monotonic()
        member.commit(wait=False)
        beats = member.beats
        until(lambda: time.monotonic() - frozen_at > 5)
        assert member.beats > beats + 20
        shaky_kafka.resume()
        fill(shaky_kafka, topic_name, 5)
        member.wait_records(10)
        member.wait(lambda: member.source.results)
        assert member.source.results[0].outcome is CommitOutcome.OK
        assert member.source.offsets(0) == list(range(10))


def test_a_stop_does_not_wait_for_a_broker_that_is_frozen(shaky_kafka: ApacheKafka, topic_name: str) -> None:
    """The last commit is waited for, then leaving the group, each for some seconds; then the process may end."""
    shaky_kafka.create_topic(topic_name)
    fill(shaky_kafka, topic_name, 5)
    with Member(policy(shaky_kafka, topic_name, group_protocol="consumer")) as member:
        member.wait_records(5)
        shaky_kafka.stop()
        try:
            took = member.stop()
        finally:
            shaky_kafka.resume()
    assert took < BOUND_S
    assert member.error is None
    assert member.logger.count("Kafka does not answer") == 1


def test_a_member_that_starts_before_its_broker_waits_for_it(tmp_path: Path, shaky_kafka: ApacheKafka) -> None:
    """Nothing is known, nothing is assumed; a stop ends it at once."""
    shaky_kafka.resume()
    nobody = ApacheKafka(tmp_path / "never-started")
    with Member(policy(nobody, "events")) as member:
        until(lambda: member.beats > 5)
        assert member.stop() < HANG_S
        assert member.error is None


def test_a_stop_ends_in_time_although_the_broker_is_gone(
    shaky_kafka: ApacheKafka, receiver: FaultReceiver, topic_name: str
) -> None:
    """Drain, last commit, leaving the group: each has its bound, also when Kafka is killed under it."""
    shaky_kafka.create_topic(topic_name, 4)
    put(shaky_kafka, topic_name, 40)
    with RunningProcessor(shaky_kafka, topic_name, receiver, drain_timeout="2s") as running:
        assert receiver.wait_for_count(PATH, 40)
        shaky_kafka.kill()
        assert running.stop() < HANG_S
    assert running.error is None
    shaky_kafka.restart()
    with RunningProcessor(shaky_kafka, topic_name, receiver):
        until(lambda: committed(shaky_kafka, topic_name) == dict.fromkeys(range(4), 10))
    keys = {arrival.headers["idempotency-key"] for arrival in receiver.successes(PATH)}
    assert keys == {f"m{n}" for n in range(40)}


def test_gaps_that_compaction_left_are_passed(shaky_kafka: ApacheKafka, topic_name: str) -> None:
    """A commit within a gap is a start like any other."""
    cleaning = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.0",
        "segment.ms": "1",
        "delete.retention.ms": "0",
        "max.compaction.lag.ms": "1",
    }
    shaky_kafka.create_topic(topic_name, 1, cleaning)
    for n in range(6):
        topics.produce_events(shaky_kafka.bootstrap, topic_name, [("same", f"{n}".encode(), 0, None)])
    until(lambda: len(topics.read_topic(shaky_kafka.bootstrap, topic_name)) < 6)
    left = [record.offset for record in topics.read_topic(shaky_kafka.bootstrap, topic_name)]
    with Member(policy_for(shaky_kafka, topic_name)) as member:
        member.wait(lambda: member.source.ends.get(TopicPartition(topic_name, 0)) == 6)
        assert member.source.offsets(0)[-1] == left[-1] == 5
        assert len(member.source.records) < 6
    assert committed(shaky_kafka, topic_name) == {0: 6}

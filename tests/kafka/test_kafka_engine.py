"""The whole engine on a real Kafka: what moves between two members, and what is lost is never passed over."""

from __future__ import annotations

import time

import orjson
from confluent_kafka import Consumer
from engine_support import PATH, RunningProcessor, put
from kafka_support import QUIET, committed, delete_records, until
from support.engine_world import event
from support.receiver import FaultReceiver
from support.topics import Broker, Given, produce_events

from stream.demo.behaviours import slow
from stream.model.errors import DataLossError
from stream.model.source import SILENT_AFTER_S


def test_partitions_move_between_processes_without_a_duplicate(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str
) -> None:
    """Requests in flight end before a partition goes, and are committed: nothing is delivered twice."""
    apache_kafka.create_topic(topic_name, 4)
    receiver.script(PATH, slow(0.05))
    put(apache_kafka, topic_name, 400)
    with RunningProcessor(apache_kafka, topic_name, receiver, drain_timeout="5s") as first:
        receiver.wait_for_count(PATH, 40)
        with RunningProcessor(apache_kafka, topic_name, receiver, drain_timeout="5s") as second:
            until(lambda: (first.held, second.held) == (2, 2))
            put(apache_kafka, topic_name, 200, 400)
            receiver.wait_for_count(PATH, 600)
        until(lambda: first.held == 4)
        put(apache_kafka, topic_name, 100, 600)
        receiver.wait_for_count(PATH, 700)
        until(lambda: committed(apache_kafka, topic_name) == dict.fromkeys(range(4), 175))
    assert (first.error, second.error) == (None, None)
    keys = [arrival.headers["idempotency-key"] for arrival in receiver.successes(PATH)]
    assert sorted(keys) == sorted(f"m{n}" for n in range(700))


def test_a_member_with_only_a_halted_partition_stays_in_its_group(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str
) -> None:
    """Its end would hand the partition to the next member. It still takes over what the others leave behind."""
    apache_kafka.create_topic(topic_name, 2)
    given: list[Given] = [(f"u{n}", orjson.dumps(event(f"u{n}", f"m{n}")), n % 2, None) for n in range(20)]
    produce_events(apache_kafka.bootstrap, topic_name, given)
    with RunningProcessor(apache_kafka, topic_name, receiver):
        until(lambda: committed(apache_kafka, topic_name) == {0: 10, 1: 10})
    produce_events(apache_kafka.bootstrap, topic_name, [(key, value, 0, None) for key, value, _, _ in given[:6]])
    delete_records(apache_kafka, topic_name, 0, 15)
    with (
        RunningProcessor(apache_kafka, topic_name, receiver) as first,
        RunningProcessor(apache_kafka, topic_name, receiver) as second,
    ):
        until(lambda: (first.held, second.held) == (1, 1), 60)
        until(lambda: first.halted + second.halted == 1, 60)
        halted, other = (first, second) if first.halted else (second, first)
        other.stop()
        until(lambda: halted.held == 2, 60)
        produce_events(apache_kafka.bootstrap, topic_name, [("u1", orjson.dumps(event("u1", "last")), 1, None)])
        until(lambda: committed(apache_kafka, topic_name) == {0: 10, 1: 11}, 60)
        assert halted.processor.stats.partitions_halted == 1
    assert (first.error, second.error) == (None, None)


def test_a_group_that_lets_nobody_join_for_long_is_no_outage(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str
) -> None:
    """A member that does not poll holds the rebalance up: the joining one is answered nothing, and Kafka is there."""
    apache_kafka.create_topic(topic_name, 2)
    options = {"group.id": topic_name, "session.timeout.ms": 30_000, "max.poll.interval.ms": 40_000, **QUIET}
    strategy = {"partition.assignment.strategy": "cooperative-sticky"}
    blocker = Consumer({"bootstrap.servers": apache_kafka.bootstrap, **options, **strategy})
    blocker.subscribe([topic_name])
    until(lambda: blocker.poll(0.1) or blocker.assignment(), 60)
    with RunningProcessor(apache_kafka, topic_name, receiver) as running:
        until(lambda: running.processor.runs, 60)
        stats, seen = running.processor.stats, set[bool]()
        began = time.time() + 3  # the first report may be of before the first answer

        def is_long_enough() -> bool:
            if time.time() > began:
                seen.add(stats.contact.is_up)
            return time.time() > began + 1.5 * SILENT_AFTER_S

        until(is_long_enough, 60)
        assert stats.partitions_assigned == 0
        assert seen == {True}
        blocker.close()
        until(lambda: running.held == 2, 60)


def test_a_run_that_can_read_nothing_any_more_ends_with_data_loss(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str
) -> None:
    """Every partition lost records: exit code 4, and nothing was committed past them."""
    apache_kafka.create_topic(topic_name, 4)
    put(apache_kafka, topic_name, 40)
    with RunningProcessor(apache_kafka, topic_name, receiver):
        until(lambda: committed(apache_kafka, topic_name) == dict.fromkeys(range(4), 10))
    put(apache_kafka, topic_name, 40, 40)
    for partition in range(4):
        delete_records(apache_kafka, topic_name, partition, 15)
    with RunningProcessor(apache_kafka, topic_name, receiver) as again:
        again.wait_ended()
    assert isinstance(again.error, DataLossError)
    assert again.error.exit_code == 4
    assert committed(apache_kafka, topic_name) == dict.fromkeys(range(4), 10)

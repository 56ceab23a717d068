"""The whole engine on a real Kafka: what moves between two members, and what is lost is never passed over."""

from __future__ import annotations

from engine_support import PATH, RunningProcessor, put
from kafka_support import committed, delete_records, until

from stream.core.errors import DataLossError
from stream.testing.behaviours import slow
from stream.testing.receiver import FaultReceiver
from stream.testing.topics import Broker


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

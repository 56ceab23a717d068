"""What librdkafka reads of partitions that were parked first."""

from __future__ import annotations

from collections import defaultdict

from confluent_kafka import Consumer
from kafka_support import fill, policy_for, until

from stream.core.model import TopicPartition
from stream.kafka.assignment import Assignment
from stream.kafka.client_config import consumer_config
from stream.kafka.starts import Start
from stream.testing.topics import Broker


def test_a_parked_partition_is_read_from_its_start(broker: Broker, topic_name: str) -> None:
    """Also when that becomes known at once: no answer that is still on its way may move it."""
    broker.create_topic(topic_name, 8)
    fill(broker, topic_name, 80, range(8))
    tps = [TopicPartition(topic_name, number) for number in range(8)]
    read: dict[int, list[int | None]] = defaultdict(list)
    consumer = Consumer(consumer_config(policy_for(broker, topic_name)))
    consumer.list_topics(topic_name, timeout=10)
    assignment = Assignment()

    def all_were_read() -> bool:
        for message in consumer.consume(100, 0.1):
            read[message.partition() or 0].append(message.offset())
        return sum(9 in offsets for offsets in read.values()) == 8

    try:
        assignment.park(consumer, tps)
        assignment.grant(consumer, [Start(tp, 3) for tp in tps])
        until(all_were_read)
    finally:
        consumer.close()
    assert read == {number: list(range(3, 10)) for number in range(8)}

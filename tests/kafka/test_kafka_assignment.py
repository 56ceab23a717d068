"""What librdkafka reads of partitions that are parked, granted, paused and moved."""

from __future__ import annotations

from random import Random

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition
from kafka_support import fill, policy_for, until
from support.mock_cluster import MockCluster
from support.topics import Broker

from stream.kafka.assignment import Assignment
from stream.kafka.client_config import Options, consumer_config
from stream.kafka.start_offsets import ResolvedStart
from stream.model.records import TopicPartition

PARTITIONS = 8
RECORDS = 100
"""In each partition."""
STEPS = 30


class Reading:
    """A consumer, its assignment, and which offset must come next of each partition that is held."""

    def __init__(self, broker: Broker, topic: str, rng: Random) -> None:
        self.consumer = Consumer(consumer_config(policy_for(broker, topic)))
        self.assignment = Assignment()
        self.tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self.next: dict[TopicPartition, int] = {}
        self._rng = rng

    def grant(self, *tps: TopicPartition) -> None:
        """From any offset on."""
        starts = [ResolvedStart(tp, self._rng.randrange(RECORDS)) for tp in tps]
        self.assignment.grant(self.consumer, starts)
        self.next |= {start.tp: start.offset for start in starts}

    def move(self) -> None:
        """One of them, to any offset."""
        tp, offset = self._rng.choice(self.tps), self._rng.randrange(RECORDS)
        self.assignment.move(self.consumer, {tp: offset})
        self.next[tp] = offset

    def give_back(self) -> None:
        """One of them, which comes again at once; where it starts may not be known then."""
        tp = self._rng.choice(self.tps)
        self.consumer.incremental_unassign([KafkaPartition(*tp)])
        self.assignment.drop([tp])
        del self.next[tp]
        if self._rng.random() < 0.5:
            self.assignment.park(self.consumer, [tp])
        self.grant(tp)

    def poll(self, timeout_s: float = 0.02) -> None:
        """Take what has come: of each partition exactly what is next."""
        for message in self.consumer.consume(50, timeout_s):
            tp = TopicPartition(message.topic() or "", message.partition() or 0)
            if message.error() is None and tp in self.next:
                assert message.offset() == self.next[tp]
                self.next[tp] += 1

    def is_at_the_end(self) -> bool:
        """Everything was read."""
        self.poll()
        return list(self.next.values()) == [RECORDS] * PARTITIONS


class NotedConsumer(Consumer):
    """Keeps the names of the calls that fetching depends on."""

    def __init__(self, config: Options) -> None:
        super().__init__(config)
        self.calls: list[str] = []

    def incremental_assign(self, partitions: list[KafkaPartition]) -> None:
        self.calls.append("assign")
        super().incremental_assign(partitions)

    def incremental_unassign(self, partitions: list[KafkaPartition]) -> None:
        self.calls.append("unassign")
        super().incremental_unassign(partitions)

    def memberid(self) -> str:
        self.calls.append("wait")
        return super().memberid()

    def pause(self, partitions: list[KafkaPartition]) -> None:
        self.calls.append("pause")
        super().pause(partitions)

    def resume(self, partitions: list[KafkaPartition]) -> None:
        self.calls.append("resume")
        super().resume(partitions)


def test_nothing_is_resumed_while_the_client_starts_it(mock_cluster: MockCluster, topic_name: str) -> None:
    """A resume that the client's own start overtakes is dropped, and the partition stays paused for good."""
    mock_cluster.create_topic(topic_name, PARTITIONS)
    consumer = NotedConsumer(consumer_config(policy_for(mock_cluster, topic_name)))
    tps = [TopicPartition(topic_name, number) for number in range(PARTITIONS)]
    try:
        consumer.list_topics(topic_name, timeout=10)
        assignment = Assignment()
        assignment.park(consumer, tps)
        assert consumer.calls == ["assign", "pause"]
        del consumer.calls[:]
        assignment.grant(consumer, [ResolvedStart(tp, 0) for tp in tps])
        assert consumer.calls == ["unassign", "wait", "resume", "assign"]
    finally:
        consumer.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_partition_is_read_from_where_it_was_told_whatever_comes_between(
    broker: Broker, topic_name: str, seed: int
) -> None:
    """Parked, granted, moved, paused and given back in any order and at once, none leaves out or repeats a record."""
    broker.create_topic(topic_name, PARTITIONS)
    fill(broker, topic_name, PARTITIONS * RECORDS, range(PARTITIONS))
    rng = Random(seed)
    reading = Reading(broker, topic_name, rng)
    consumer, assignment, tps = reading.consumer, reading.assignment, reading.tps
    steps = [
        lambda: assignment.pause(consumer),
        lambda: assignment.resume(consumer),
        lambda: assignment.set_not_read(consumer, rng.sample(tps, 3)),
        reading.move,
        reading.give_back,
        reading.poll,
        reading.poll,
    ]
    try:
        consumer.list_topics(topic_name, timeout=10)
        assignment.park(consumer, tps)
        reading.grant(*tps)
        for _ in range(STEPS):
            rng.choice(steps)()
        assignment.set_not_read(consumer, [])
        assignment.resume(consumer)
        until(reading.is_at_the_end)
    finally:
        consumer.close()

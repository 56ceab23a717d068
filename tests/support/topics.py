"""What tests do with topics beside what the demo does: transactions, times, and reading everything back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream.demo.topics import (
    TIMEOUT_S,
    Given,
    committed_offsets,
    create_topic,
    end_offsets,
    ends_of,
    open_producer,
    open_reader,
    partitions_in,
    produce,
    produce_events,
)
from stream.model.records import Headers, Record

__all__ = [
    "Broker",
    "Given",
    "committed_offsets",
    "create_topic",
    "end_offsets",
    "partitions_of",
    "produce_events",
    "produce_timed_events",
    "produce_transaction",
    "read_topic",
]


class Broker(Protocol):
    """What a test needs of a Kafka, be it Apache's or the mock."""

    @property
    def bootstrap(self) -> str:
        """`host:port` to connect to."""

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until clients see it."""


def partitions_of(bootstrap: str, topic: str) -> list[int]:
    """Numbers of the topic's partitions, in order.

    Raises:
        KafkaException: the topic does not exist.
    """
    with open_reader(bootstrap) as consumer:
        return partitions_in(consumer, topic)


def produce_timed_events(bootstrap: str, topic: str, events: Iterable[tuple[int, Given]]) -> list[tuple[int, int]]:
    """The same for events with a timestamp each (Unix time in milliseconds), as a producer may set it."""
    with open_producer(bootstrap) as producer:
        times, given = zip(*events, strict=True)
        return produce(producer, topic, given, times)


def produce_transaction(
    bootstrap: str, topic: str, events: Iterable[Given], transactional_id: str, commit: bool = True
) -> list[tuple[int, int]]:
    """The same in one transaction, which is committed, or aborted with `commit=False`.

    Either way each partition's log ends in a marker that takes an offset and is no record.
    """
    with open_producer(bootstrap, {"transactional.id": transactional_id}) as producer:
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        places = produce(producer, topic, events)
        (producer.commit_transaction if commit else producer.abort_transaction)(TIMEOUT_S)
        return places


def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Every committed record from the beginning to the end of now, by partition and offset."""
    with open_reader(bootstrap) as consumer:
        left = {p: end for p, end in ends_of(consumer, topic).items() if end > 0}
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in left])
        return sorted(_read(consumer, left), key=lambda record: (record.partition, record.offset))


def _read(consumer: Consumer, left: dict[int, int]) -> Iterator[Record]:
    """Records of the assigned partitions until each has come to its end in `left`."""
    deadline = time.monotonic() + TIMEOUT_S
    while left:
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"partitions {sorted(left)} do not end"))
        message = consumer.poll(0.1)
        if message is None:
            continue
        error, partition = message.error(), message.partition() or 0
        if error is None and partition in left:
            yield _record(message)
        elif error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if error is not None or (message.offset() or 0) + 1 >= left.get(partition, 0):
            left.pop(partition, None)


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=cast(Headers | None, message.headers()),
    )

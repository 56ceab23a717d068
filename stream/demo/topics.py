"""What the demo does with topics: create, fill, and ask how far a group has come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import repeat

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream.model.records import Headers

TIMEOUT_S = 60.0
LARGEST_RECORD = 8 * 1024 * 1024
_COORDINATOR_ON_ITS_WAY = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
NOW = 0
"""As a timestamp: the producer's present time."""

Given = tuple[str | bytes | None, str | bytes | None, int | None, Headers | None]
"""A record to produce: key, value, partition (None: by key), headers."""


def create_topic(
    bootstrap: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None, replicas: int = 1
) -> None:
    """Create a topic; return once its metadata say that each partition has a leader.

    Raises:
        KafkaException: the broker refused, or the topic did not appear.
    """
    with AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}) as admin:
        wanted = NewTopic(name, partitions, replicas, config=dict(config or {}))
        admin.create_topics([wanted])[name].result(TIMEOUT_S)
        deadline = time.monotonic() + TIMEOUT_S
        while not _has_leaders(admin, name, partitions):
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"topic {name} did not appear"))
            time.sleep(0.01)


def produce_events(bootstrap: str, topic: str, events: Iterable[Given]) -> list[tuple[int, int]]:
    """Produce and wait for every acknowledgement; (partition, offset) of each, in the order given.

    Raises:
        KafkaException: one of them was not acknowledged.
    """
    with open_producer(bootstrap) as producer:
        return produce(producer, topic, events)


def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Per partition the end that a read-committed reader can reach (the last stable offset)."""
    with open_reader(bootstrap) as consumer:
        return ends_of(consumer, topic)


def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int | None]:
    """Per partition what the group has committed; None when nothing."""
    with open_reader(bootstrap, group) as consumer:
        asked = [TopicPartition(topic, p) for p in partitions_in(consumer, topic)]
        found = _committed(consumer, asked)
        return {tp.partition: tp.offset if tp.offset >= 0 else None for tp in found}


def _committed(consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    """What the group has committed, asked again while a broker that has just started is not its coordinator yet."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return list(consumer.committed(asked, timeout=TIMEOUT_S))
        except KafkaException as error:
            if error.args[0].code() not in _COORDINATOR_ON_ITS_WAY or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def open_reader(bootstrap: str, group: str = "none") -> Iterator[Consumer]:
    """A consumer that joins no group and sees what is committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


@contextmanager
def open_producer(bootstrap: str, more: Mapping[str, str] | None = None) -> Iterator[Producer]:
    """A producer that takes large records; `more` are further options of it."""
    config = {"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0}
    producer = Producer({**config, "message.max.bytes": LARGEST_RECORD, **(more or {})})
    try:
        yield producer
    finally:
        producer.close()


def produce(
    producer: Producer, topic: str, events: Iterable[Given], times: Iterable[int] = repeat(NOW)
) -> list[tuple[int, int]]:
    """Produce and wait for every acknowledgement; (partition, offset) of each, in the order given."""
    places: dict[int, tuple[int, int]] = {}
    errors: list[KafkaError] = []

    def report(index: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            errors.append(error)
        places[index] = (message.partition() or 0, message.offset() or 0)

    for index, (event, time_ms) in enumerate(zip(events, times, strict=False)):
        _enqueue(producer, topic, event, time_ms, partial(report, index))
    waiting = producer.flush(TIMEOUT_S)
    if errors or waiting:
        raise KafkaException(errors[0] if errors else KafkaError(KafkaError._TIMED_OUT))
    return [places[index] for index in sorted(places)]


def _enqueue(producer: Producer, topic: str, event: Given, time_ms: int, report: partial[None]) -> None:
    key, value, partition, headers = event
    number = -1 if partition is None else partition
    while True:
        try:
            producer.produce(
                topic, value, key, number, on_delivery=report, timestamp=time_ms, headers=list(headers or [])
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def _has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    found = admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions.values()
    return len(found) == partitions and all(partition.leader >= 0 for partition in found)


def partitions_in(consumer: Consumer, topic: str) -> list[int]:
    """Numbers of the topic's partitions, in order. Raises KafkaException."""
    metadata = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return sorted(metadata.partitions)


def ends_of(consumer: Consumer, topic: str) -> dict[int, int]:
    """Per partition the end that the consumer can reach."""
    tps = [TopicPartition(topic, p) for p in partitions_in(consumer, topic)]
    return {tp.partition: _end(consumer, tp) for tp in tps}


def _end(consumer: Consumer, tp: TopicPartition) -> int:
    offsets = consumer.get_watermark_offsets(tp, timeout=TIMEOUT_S)
    if offsets is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no watermarks of {tp}"))
    return offsets[1]

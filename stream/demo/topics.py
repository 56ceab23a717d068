"""What tests and the demo do with topics: create, fill, read back, and ask how far a group has come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Protocol, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stream.model.records import Headers, Record

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


class Broker(Protocol):
    """What a test needs of a Kafka, be it Apache's or the mock."""

    @property
    def bootstrap(self) -> str:
        """`host:port` to connect to."""

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until clients see it."""


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


def partitions_of(bootstrap: str, topic: str) -> list[int]:
    """Numbers of the topic's partitions, in order.

    Raises:
        KafkaException: the topic does not exist.
    """
    with _reader(bootstrap) as consumer:
        return _partitions(consumer, topic)


def produce_events(bootstrap: str, topic: str, events: Iterable[Given]) -> list[tuple[int, int]]:
    """Produce and wait for every acknowledgement; (partition, offset) of each, in the order given.

    Raises:
        KafkaException: one of them was not acknowledged.
    """
    with _producer(bootstrap) as producer:
        return _produce(producer, topic, events)


def produce_timed_events(bootstrap: str, topic: str, events: Iterable[tuple[int, Given]]) -> list[tuple[int, int]]:
    """The same for events with a timestamp each (Unix time in milliseconds), as a producer may set it."""
    with _producer(bootstrap) as producer:
        times, given = zip(*events, strict=True)
        return _produce(producer, topic, given, times)


def produce_transaction(
    bootstrap: str, topic: str, events: Iterable[Given], transactional_id: str, commit: bool = True
) -> list[tuple[int, int]]:
    """The same in one transaction, which is committed, or aborted with `commit=False`.

    Either way each partition's log ends in a marker that takes an offset and is no record.
    """
    with _producer(bootstrap, {"transactional.id": transactional_id}) as producer:
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        places = _produce(producer, topic, events)
        (producer.commit_transaction if commit else producer.abort_transaction)(TIMEOUT_S)
        return places


def read_topic(bootstrap: str, topic: str) -> list[Record]:
    """Every committed record from the beginning to the end of now, by partition and offset."""
    with _reader(bootstrap) as consumer:
        left = {p: end for p, end in _ends(consumer, topic).items() if end > 0}
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in left])
        return sorted(_read(consumer, left), key=lambda record: (record.partition, record.offset))


def end_offsets(bootstrap: str, topic: str) -> dict[int, int]:
    """Per partition the end that a read-committed reader can reach (the last stable offset)."""
    with _reader(bootstrap) as consumer:
        return _ends(consumer, topic)


def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int | None]:
    """Per partition what the group has committed; None when nothing."""
    with _reader(bootstrap, group) as consumer:
        asked = [TopicPartition(topic, p) for p in _partitions(consumer, topic)]
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
def _reader(bootstrap: str, group: str = "none") -> Iterator[Consumer]:
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
def _producer(bootstrap: str, more: Mapping[str, str] | None = None) -> Iterator[Producer]:
    config = {"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0}
    producer = Producer({**config, "message.max.bytes": LARGEST_RECORD, **(more or {})})
    try:
        yield producer
    finally:
        producer.close()


def _produce(
    producer: Producer, topic: str, events: Iterable[Given], times: Iterable[int] = repeat(NOW)
) -> list[tuple[int, int]]:
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


def _has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    found = admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions.values()
    return len(found) == partitions and all(partition.leader >= 0 for partition in found)


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    metadata = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return sorted(metadata.partitions)


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    tps = [TopicPartition(topic, p) for p in _partitions(consumer, topic)]
    return {tp.partition: _end(consumer, tp) for tp in tps}


def _end(consumer: Consumer, tp: TopicPartition) -> int:
    offsets = consumer.get_watermark_offsets(tp, timeout=TIMEOUT_S)
    if offsets is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no watermarks of {tp}"))
    return offsets[1]

"""From polled messages of confluent-kafka to batches of records, by partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

from stream.core.model import Record, RecordBatch, TopicPartition

_END = KafkaError._PARTITION_EOF


@dataclass(slots=True)
class Polled:
    """What one poll brought: records, and partitions whose end was reached."""

    batches: list[RecordBatch] = field(default_factory=list)
    ends: list[tuple[TopicPartition, int, int]] = field(default_factory=list)
    """(partition, epoch, position past the last record)."""


def sort_polled(
    messages: Iterable[Message], epochs: Mapping[TopicPartition, int], on_error: Callable[[Message, KafkaError], None]
) -> Polled:
    """Group by partition. Records of partitions that are not held are left out: their next owner reads them."""
    polled = Polled()
    by_partition: dict[tuple[str, int], list[Record]] = {}
    for message in messages:
        error = message.error()
        if error is None:
            record = to_record(message)
            where = (record.topic, record.partition)
            records = by_partition.get(where)
            if records is None:
                records = by_partition[where] = []
            records.append(record)
        elif error.code() == _END:
            tp = TopicPartition(str(message.topic()), int(message.partition() or 0))
            if tp in epochs:
                polled.ends.append((tp, epochs[tp], int(message.offset() or 0)))
        else:
            on_error(message, error)
    for where, records in by_partition.items():
        tp = TopicPartition(*where)
        if tp in epochs:
            polled.batches.append(RecordBatch(tp, epochs[tp], records))
    return polled


def to_record(message: Message) -> Record:
    """The record in a message without error."""
    return Record(
        message.topic(),  # type: ignore[arg-type]  # None only on messages with an error
        message.partition(),  # type: ignore[arg-type]  # likewise
        message.offset(),  # type: ignore[arg-type]  # likewise
        message.timestamp()[1] if message.timestamp()[0] else -1,
        message.key(),
        message.value(),
        message.headers(),  # type: ignore[arg-type]  # a list of pairs, or None
    )

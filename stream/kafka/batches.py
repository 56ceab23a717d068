"""From polled messages of confluent-kafka to batches of records, by partition."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from operator import methodcaller

from confluent_kafka import KafkaError, Message

from stream.model.records import Headers, Record, RecordBatch, TopicPartition

_END = KafkaError._PARTITION_EOF
_headers: Callable[[Message], Headers | None] = methodcaller("headers")
"""Where a header's name is not UTF-8 the client returns a broken list and leaves an exception behind. Called as a
method, Python's specialised call does not look for that, and it would surface in some later statement."""
_UNKNOWN_TIME = -1


@dataclass(slots=True)
class Polled:
    """What one poll brought: records, partitions whose end was reached, and what Kafka reports instead of records."""

    batches: list[RecordBatch] = field(default_factory=list)
    ends: list[tuple[TopicPartition, int, int]] = field(default_factory=list)
    """(partition, epoch, position past the last record)."""
    errors: list[tuple[Message, KafkaError]] = field(default_factory=list)
    headless: list[tuple[TopicPartition, int | None]] = field(default_factory=list)
    """(partition, offset) of records whose headers cannot be read, since a name is not UTF-8; they are sent without."""


def sort_polled(
    messages: Iterable[Message], epochs: Mapping[TopicPartition, int], stopped: Collection[TopicPartition] = ()
) -> Polled:
    """Group by partition. Records of partitions that are not held are left out: their next owner reads them.

    Nor do records or ends count of partitions that are `stopped`.

    Errors are only collected: what is done about one may give its partition another epoch, and the records
    before it belong to the old one.
    """
    polled = Polled()
    by_partition: dict[TopicPartition, list[Record]] = {}
    last, records = TopicPartition("", -1), list[Record]()
    for message in messages:
        error = message.error()
        if error is not None:
            _sort_error(polled, message, error, epochs, stopped)
            continue
        topic, partition = message.topic(), message.partition()
        if partition != last.partition or topic != last.topic:  # they come in runs of one partition
            last = TopicPartition(topic or "", partition or 0)
            records = by_partition.setdefault(last, [])
        try:
            headers = _headers(message)
        except (SystemError, UnicodeDecodeError):  # and never ask again: the client would answer with a null pointer
            headers = None
            polled.headless.append((last, message.offset()))
        kind, timestamp_ms = message.timestamp()
        records.append(
            Record(
                last.topic,  # one string for the whole run, whose hash is known
                last.partition,
                message.offset(),  # type: ignore[arg-type]  # None only on messages with an error
                timestamp_ms if kind else _UNKNOWN_TIME,
                message.key(),
                message.value(),
                headers,
            )
        )
    for tp, found in by_partition.items():
        if tp in epochs and tp not in stopped:
            polled.batches.append(RecordBatch(tp, epochs[tp], found))
    return polled


def _sort_error(
    polled: Polled,
    message: Message,
    error: KafkaError,
    epochs: Mapping[TopicPartition, int],
    stopped: Collection[TopicPartition],
) -> None:
    if error.code() != _END:
        polled.errors.append((message, error))
        return
    tp, position = TopicPartition(message.topic() or "", message.partition() or 0), message.offset()
    if tp in epochs and tp not in stopped and position is not None:
        polled.ends.append((tp, epochs[tp], position))

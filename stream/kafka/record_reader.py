"""Reads ranges of records, and single records by where they lie. Never joins a group, never commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import TopicMetadata

from stream.kafka.batches import sort_polled
from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import as_source_error
from stream.kafka.reader import TIMEOUT_S, watermarks
from stream.model.errors import SourceError
from stream.model.records import Record, RecordId, TopicPartition

PATIENCE_S = 60.0
"""Without a record or an end for so long, reading has failed: no leader, or an open transaction in the way."""
PREFETCHED_RECORDS = 2_000
_FOR_EVER = 2**63 - 1
_BATCH = 1_000
_POLL_S = 0.1
_FAR_APART = 200
"""Offsets between two wanted records that are skipped by seeking rather than read."""
_GONE = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


class OffsetRange(NamedTuple):
    """Offsets of one partition: `start` up to, not including, `end`."""

    start: int
    end: int


class RecordReader:
    """Blocking; to be used from one thread at a time. Raises SourceError when Kafka does not answer."""

    def __init__(self, config: Options) -> None:
        prompt = {"fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 10}
        options = {**prompt, **config, "queued.min.messages": PREFETCHED_RECORDS}
        self._consumer = open_client(Consumer, options)
        self._known: set[str] = set()
        """Topics whose leaders the client knows."""
        self._ends: dict[TopicPartition, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def scan(self, spans: Mapping[TopicPartition, OffsetRange]) -> Iterator[list[Record]]:
        """Every record in the spans, those of one partition in the order of their offsets.

        What retention has removed in the meantime is left out.
        """
        yield from self._read({tp: span for tp, span in spans.items() if span.end > span.start})

    def follow(
        self, starts: Mapping[TopicPartition, int], partitions: Callable[[], Iterable[TopicPartition]]
    ) -> Iterator[list[Record]]:
        """Records from these offsets on, as they come, for ever; often an empty list, while none has come.

        `partitions` is asked each time; those that are new are read from their beginning.
        """
        left = {tp: OffsetRange(start, _FOR_EVER) for tp, start in starts.items()}
        self._find_leaders({tp.topic for tp in left})
        self._assign(starts)
        while True:
            yield self._poll(left)[0]
            if added := {tp: OffsetRange(0, _FOR_EVER) for tp in partitions() if tp not in left}:
                left |= added
                self._assign({tp: span.start for tp, span in left.items()})

    def first_of(
        self, spans: Mapping[TopicPartition, OffsetRange], is_wanted: Callable[[Record], bool]
    ) -> dict[TopicPartition, Record]:
        """The first record in each span that is wanted; spans without one are missing from the answer."""
        left = {tp: span for tp, span in spans.items() if span.end > span.start}
        found: dict[TopicPartition, Record] = {}
        for records in self._read(left):
            for record in records:
                tp = TopicPartition(record.topic, record.partition)
                if tp not in found and is_wanted(record):
                    found[tp] = record
                    left.pop(tp, None)
        return found

    def _read(self, left: dict[TopicPartition, OffsetRange]) -> Iterator[list[Record]]:
        """Records until nothing is left; the caller may take partitions off `left` as well."""
        if not left:
            return
        self._find_leaders({tp.topic for tp in left})
        self._assign({tp: span.start for tp, span in left.items()})
        waiting_since = time.monotonic()
        while left:
            found, moved = self._poll(left)
            if found:
                yield found
            if moved:
                waiting_since = time.monotonic()
            elif time.monotonic() - waiting_since > PATIENCE_S:
                raise SourceError(_stuck(left))
        self._consumer.unassign()

    def fetch(self, wanted: Iterable[RecordId]) -> dict[RecordId, Record]:
        """These records; those that are gone are missing from the answer."""
        sought = {place for place in wanted if place.offset < self._end(TopicPartition(*place[:2]), place.offset)}
        found: dict[RecordId, Record] = {}
        for spans in _rounds(sought):
            for records in self.scan(spans):
                found |= {record.place: record for record in records if record.place in sought}
        return found

    def _end(self, tp: TopicPartition, offset: int) -> int:
        """The end of a partition, asked for anew where `offset` is not before the one known; 0: there is none."""
        if tp not in self._ends or offset >= self._ends[tp]:
            self._ends[tp] = watermarks(self._consumer, tp, TIMEOUT_S)[1] if self._exists(tp) else 0
        return self._ends[tp]

    def _find_leaders(self, topics: set[str]) -> None:
        """Ask for them before the partitions are assigned: the client would find them half a second later."""
        for topic in topics - self._known:
            self._topic(topic)

    def _topic(self, topic: str) -> TopicMetadata:
        try:
            found: TopicMetadata = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        except KafkaException as error:
            raise as_source_error(error, f"asking for the topic {topic}") from error
        self._known.add(topic)
        return found

    def _exists(self, tp: TopicPartition) -> bool:
        found = self._topic(tp.topic)
        return found.error is None and tp.partition in found.partitions

    def _assign(self, starts: Mapping[TopicPartition, int]) -> None:
        try:
            self._consumer.assign([KafkaPartition(*tp, start) for tp, start in starts.items()])
        except KafkaException as error:
            raise as_source_error(error, "reading records") from error

    def _poll(self, left: dict[TopicPartition, OffsetRange]) -> tuple[list[Record], bool]:
        """(records within their spans, whether anything moved). What was read is taken off `left`."""
        try:
            first = self._consumer.poll(_POLL_S)
            messages = [] if first is None else [first, *self._consumer.consume(_BATCH, 0)]
        except KafkaException as error:
            raise as_source_error(error, "reading records") from error
        polled = sort_polled(messages, dict.fromkeys(left, 0))
        found: list[Record] = []
        for batch in polled.batches:
            found += [record for record in batch.records if record.offset < left[batch.tp].end]
            _pass_to(left, batch.tp, batch.records[-1].offset + 1)
        for tp, _, position in polled.ends:
            _pass_to(left, tp, position)
        for message, fault in polled.errors:
            if fault.code() not in _GONE:
                raise as_source_error(fault, "reading records")
            self._skip_gone(left, TopicPartition(message.topic() or "", message.partition() or 0))
        return found, bool(messages)

    def _skip_gone(self, left: dict[TopicPartition, OffsetRange], tp: TopicPartition) -> None:
        """The offset where reading was to continue is gone: continue at the first that is left."""
        if tp not in left:
            return
        first, _ = watermarks(self._consumer, tp, TIMEOUT_S)
        _pass_to(left, tp, first)
        self._assign({other: span.start for other, span in left.items()})


def _pass_to(left: dict[TopicPartition, OffsetRange], tp: TopicPartition, position: int) -> None:
    """Everything before `position` was read; a span that was read to its end leaves."""
    if tp not in left:
        return
    if position >= left[tp].end:
        del left[tp]
    else:
        left[tp] = OffsetRange(position, left[tp].end)


def _rounds(places: Iterable[RecordId]) -> Iterator[dict[TopicPartition, OffsetRange]]:
    """Spans that hold all the places: at most one of each partition at a time, split where they lie far apart."""
    spans: dict[TopicPartition, list[OffsetRange]] = {}
    for topic, partition, offset in sorted(places):
        of_partition = spans.setdefault(TopicPartition(topic, partition), [])
        if of_partition and offset - of_partition[-1].end <= _FAR_APART:
            of_partition[-1] = OffsetRange(of_partition[-1].start, offset + 1)
        else:
            of_partition.append(OffsetRange(offset, offset + 1))
    while spans:
        yield {tp: of_partition.pop(0) for tp, of_partition in spans.items()}
        spans = {tp: of_partition for tp, of_partition in spans.items() if of_partition}


def _stuck(left: Mapping[TopicPartition, OffsetRange]) -> str:
    tp, span = next(iter(left.items()))
    return (
        f"{tp.topic}:{tp.partition} cannot be read up to offset {span.end}: an open transaction, or a partition "
        f"without a leader, has held it up for {PATIENCE_S:.0f} s. Try again later."
    )

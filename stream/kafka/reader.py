"""Asks Kafka for offsets: partitions, ends, what a group has committed. Never joins the group, never commits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.client_config import Options, open_client, served
from stream.kafka.codes import as_source_error, is_refused
from stream.model.errors import SourceError
from stream.model.records import TopicPartition

TIMEOUT_S = 10.0


class OffsetReader:
    """Blocking; to be used from one thread at a time. Every call raises SourceError when Kafka does not answer."""

    def __init__(self, config: Options) -> None:
        self.has_controller = False
        """The last answer to `partitions` named a broker that can be asked for the ids of topics."""
        self._refusal: KafkaError | None = None
        with_callback: Options = {**config, "error_cb": self._on_error}
        self._consumer = open_client(Consumer, with_callback)

    def __enter__(self) -> OffsetReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def require_answer(self, topic: str, timeout_s: float = TIMEOUT_S) -> None:
        """Ask for the metadata of one topic, which need not exist: any answer will do."""
        with self._translated():
            try:
                self._consumer.list_topics(topic, timeout=timeout_s)
            except KafkaException as error:
                raise as_source_error(error, "asking whether it is there") from error

    def partitions(self, topics: Iterable[str], timeout_s: float = TIMEOUT_S) -> list[TopicPartition]:
        """Every partition of these topics (names, or patterns that begin with ^); a missing topic has none."""
        with self._translated():
            try:
                cluster = self._consumer.list_topics(timeout=timeout_s)
            except KafkaException as error:
                raise as_source_error(error, "asking for its topics") from error
        self.has_controller = cluster.controller_id in cluster.brokers
        names = set(topics)
        patterns = [name for name in names if name.startswith("^")]
        return [
            TopicPartition(topic, partition)
            for topic, metadata in sorted(cluster.topics.items())
            if topic in names or matches_any(patterns, topic)
            for partition in sorted(metadata.partitions)
        ]

    def range_of(self, tp: TopicPartition, timeout_s: float = TIMEOUT_S) -> tuple[int, int]:
        """(first offset, read-committed end) of a partition."""
        return self.ranges([tp], timeout_s)[tp]

    def ranges(
        self, tps: Collection[TopicPartition], timeout_s: float = TIMEOUT_S, *, may_lack: bool = False
    ) -> dict[TopicPartition, tuple[int, int]]:
        """(first offset, read-committed end) of every partition; two requests per broker, however many they are.

        `may_lack`: without the partitions that Kafka does not tell of, unless that is all of them.
        """
        with self._translated():
            firsts, fault = _offsets_at(self._consumer, tps, OFFSET_BEGINNING, timeout_s)
            ends, other = _offsets_at(self._consumer, list(firsts), OFFSET_END, timeout_s)
            _raise_unless(may_lack and bool(ends), fault or other)
        return {tp: (firsts[tp], end) for tp, end in ends.items()}

    def ends(
        self, tps: Collection[TopicPartition], timeout_s: float = TIMEOUT_S, *, may_lack: bool = False
    ) -> dict[TopicPartition, int]:
        """The read-committed end of every partition; one request per broker. `may_lack`: as in `ranges`."""
        with self._translated():
            found, fault = _offsets_at(self._consumer, tps, OFFSET_END, timeout_s)
            _raise_unless(may_lack and bool(found), fault)
        return found

    def committed(self, tps: Iterable[TopicPartition], timeout_s: float = TIMEOUT_S) -> dict[TopicPartition, int]:
        """What the group has committed, for those of the partitions where it has."""
        return {tp: offset for tp, (offset, _) in self.commits(tps, timeout_s).items()}

    def commits(
        self, tps: Iterable[TopicPartition], timeout_s: float = TIMEOUT_S
    ) -> dict[TopicPartition, tuple[int, str]]:
        """(offset, metadata) of what the group has committed, for those of the partitions where it has."""
        with self._translated():
            return committed(self._consumer, tps, timeout_s)

    def at_time(
        self, tps: Iterable[TopicPartition], ms: int, timeout_s: float = TIMEOUT_S
    ) -> dict[TopicPartition, int]:
        """Offset of each partition's first record at or after a time; partitions without one are left out."""
        doing = "asking for the offsets of a time"
        if not (asked := [KafkaPartition(*tp, ms) for tp in tps]):
            return {}
        with self._translated():
            try:
                answers = self._consumer.offsets_for_times(asked, timeout=timeout_s)
            except KafkaException as error:
                raise as_source_error(error, doing) from error
            for answer in answers:
                if answer.error is not None:
                    raise as_source_error(answer.error, doing)
        return {TopicPartition(a.topic, a.partition): a.offset for a in answers if a.offset >= 0}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A refusal is reported by callback alone, which a poll serves; the question itself just gets no answer."""
        try:
            yield
        except SourceError as error:
            served(self._consumer.poll, lambda: self._refusal is not None)
            if self._refusal is None:
                raise
            raise as_source_error(self._refusal, "asking for offsets") from error
        self._consumer.poll(0)  # and lines of the client's log, which would gather otherwise
        self._refusal = None

    def _on_error(self, error: KafkaError) -> None:
        if is_refused(error):
            self._refusal = error


def matches_any(patterns: Iterable[str], topic: str) -> bool:
    """Whether one of the patterns (each begins with ^) matches the topic."""
    return any(re.match(pattern, topic) for pattern in patterns)


def watermarks(consumer: Consumer, tp: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """(first offset, read-committed end), asked from the broker."""
    try:
        answer = consumer.get_watermark_offsets(KafkaPartition(*tp), timeout=timeout_s)
    except KafkaException as error:
        raise as_source_error(error, f"asking for the range of {tp.topic}:{tp.partition}") from error
    if answer is None:
        raise as_source_error(KafkaError(KafkaError._TIMED_OUT), f"asking for the range of {tp.topic}:{tp.partition}")
    return answer


def _raise_unless(will_do: bool, fault: SourceError | None) -> None:
    if fault is not None and not will_do:
        raise fault


def _offsets_at(
    consumer: Consumer, tps: Collection[TopicPartition], where: int, timeout_s: float
) -> tuple[dict[TopicPartition, int], SourceError | None]:
    """First offsets or ends, and why partitions are left out.

    librdkafka sends these two in place of a time as they are, in one request for all partitions of a broker; its call
    for the watermarks takes one partition at a time.
    """
    doing = "asking for the ranges of partitions"
    if not tps:
        return {}, None
    try:
        answers = consumer.offsets_for_times([KafkaPartition(*tp, where) for tp in tps], timeout=timeout_s)
    except KafkaException as error:
        raise as_source_error(error, doing) from error
    faults = [as_source_error(a.error, f"{doing} ({a.topic}:{a.partition})") for a in answers if a.error is not None]
    found = {TopicPartition(a.topic, a.partition): a.offset for a in answers if a.error is None and a.offset >= 0}
    if not faults and len(found) < len(answers):
        faults = [SourceError(f"Kafka left partitions out of its answer when {doing}.")]
    return found, next(iter(faults), None)


def committed(
    consumer: Consumer, tps: Iterable[TopicPartition], timeout_s: float
) -> dict[TopicPartition, tuple[int, str]]:
    """(offset, metadata) of what the group has committed; an answer that does not come is an error, never none."""
    doing = "asking for committed offsets"
    if not (asked := [KafkaPartition(*tp) for tp in tps]):
        return {}
    try:
        answers = consumer.committed(asked, timeout=timeout_s)
    except KafkaException as error:
        raise as_source_error(error, doing) from error
    for answer in answers:
        if answer.error is not None:
            raise as_source_error(answer.error, doing) from KafkaException(answer.error)
    return {TopicPartition(a.topic, a.partition): (a.offset, a.metadata or "") for a in answers if a.offset >= 0}

"""The dead-letter topic from outside: which letters there are, and the events that they carry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Self

from stream.dead_letters.index import DeadLetterIndex
from stream.dead_letters.plan import LETTER_GONE, SOURCE_GONE
from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.reader import OffsetReader
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.errors import MissingTopicError
from stream.model.letters import Letter, event_record
from stream.model.records import Record, RecordId, TopicPartition

ShowProgress = Callable[[int, int], None]
"""Told how many of how many offsets are read."""


class DeadLetterReader:
    """Blocking; any thread may call, one at a time is served. Raises SourceError when Kafka does not answer."""

    def __init__(self, policy: KafkaPolicy, topic: str) -> None:
        self.topic = topic
        self._policy = policy
        self._reader = RecordReader(reader_config(policy))
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._reader.close()

    def read(self, book: DeadLetterIndex, progress: ShowProgress = lambda _done, _all: None) -> DeadLetterIndex:
        """Everything that is on the topic now, folded into `book`; what is written meanwhile is not waited for.

        Raises:
            MissingTopicError: there is no such topic.
        """
        spans = self._spans()
        total = sum(span.end - span.start for span in spans.values())
        done = 0
        with self._lock:
            for records in self._reader.scan(spans):
                for record in records:
                    book.take(record)
                done += len(records)
                progress(done, total)
        return book

    def stored(self, letters: Collection[Letter]) -> dict[RecordId, Record]:
        """The letters' own records, by where they lie; those that are gone are missing."""
        with self._lock:
            return self._reader.fetch(letter.at for letter in letters)

    def events(self, letters: Collection[Letter]) -> dict[RecordId, Record | str]:
        """The events' records as they were on their own topics, or why there is none; by where the letters lie."""
        stored = self.stored(letters)
        sources = self._sources([letter for letter in letters if letter.is_omitted])
        found: dict[RecordId, Record | str] = {}
        for letter in letters:
            record = stored.get(letter.at)
            if record is None:
                found[letter.at] = LETTER_GONE
            elif not letter.is_omitted:
                found[letter.at] = event_record(letter, record, record.value)
            elif (source := sources.get(letter.identity.place)) is not None and _is_it(source, letter):
                found[letter.at] = event_record(letter, record, source.value)
            else:
                found[letter.at] = SOURCE_GONE
        return found

    def _sources(self, letters: Iterable[Letter]) -> dict[RecordId, Record]:
        places = [letter.identity.place for letter in letters]
        if not places:
            return {}
        with self._lock:
            return self._reader.fetch(places)

    def _spans(self) -> dict[TopicPartition, OffsetRange]:
        with OffsetReader(reader_config(self._policy)) as reader:
            partitions = reader.partitions([self.topic])
            if not partitions:
                raise MissingTopicError(
                    f"There is no topic {self.topic} on this cluster: no dead letter was ever written, or "
                    "kafka.group_id and dead_letter.topic are not those of the run."
                )
            return {tp: OffsetRange(*span) for tp, span in reader.ranges(partitions).items()}


def _is_it(source: Record, letter: Letter) -> bool:
    """Whether what lies there is the same record; the topic may have been created anew since."""
    return source.timestamp_ms == letter.timestamp_ms and source.key == letter.key

"""Keeps how far a reader has come in the commits of a group that has no members; in a thread of its own.

The reader's consumer could commit as well, but it serves the answers only while it polls, and it does not poll while
there is no room for more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import NEVER_STORED, as_source_error, commit_outcome, error_word, kafka_error
from stream.kafka.reader import committed
from stream.model.errors import RefusedError, SourceError, StreamError, describe_error
from stream.model.ports import Offsets
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

LOOK_EVERY_S = 1.0
LOOK_TIMEOUT_S = 2.0
AGAIN_AFTER_S = 0.2

ReportResults = Callable[[Sequence[CommitResult]], None]


@dataclass(frozen=True)
class CommittedProgress:
    """Whose progress it is."""

    prefixes: Mapping[TopicPartition, str]
    """What each partition's metadata begins with, before the map of what is done beyond the offset."""
    run: str
    """Distinguishes this run's prefixes from those of another run; part of each prefix."""


class NothingKept:
    """Progress that nobody wants to continue from: every commit is answered as if it was made."""

    is_waiting = False

    def __init__(self, report: ReportResults) -> None:
        self._report = report

    def commit(self, offsets: Offsets) -> None:
        """Answer it."""
        self._report([CommitResult(tp, due.epoch, due.offset, CommitOutcome.OK) for tp, due in offsets.items()])

    def close(self) -> None:
        """There is nothing to close."""


@dataclass
class _Desk:
    """What passes between the threads; to be touched with the lock held."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    due: dict[TopicPartition, CommitOffset] = field(default_factory=dict)
    is_busy: bool = False
    is_closed: bool = False


class ProgressKeeper(threading.Thread):
    """Commits one after the other, always the latest. `on_broken` gets the error, on this thread."""

    def __init__(
        self, config: Options, kept: CommittedProgress, report: ReportResults, on_broken: Callable[[StreamError], None]
    ) -> None:
        super().__init__(name="progress", daemon=True)
        self._config = config
        self._kept = kept
        self._report = report
        self._on_broken = on_broken
        self._desk = _Desk()
        self._look_at = time.monotonic() + LOOK_EVERY_S
        self.start()

    @property
    def is_waiting(self) -> bool:
        """Whether a commit was not answered yet."""
        with self._desk.changed:
            return bool(self._desk.due) or self._desk.is_busy

    def commit(self, offsets: Offsets) -> None:
        """Commit soon; from any thread."""
        with self._desk.changed:
            self._desk.due |= offsets
            self._desk.changed.notify()

    def close(self) -> None:
        """Stop committing."""
        with self._desk.changed:
            self._desk.is_closed = True
            self._desk.changed.notify()

    def run(self) -> None:
        """Serve until closed or broken."""
        try:
            consumer = open_client(Consumer, self._config)
            while (due := self._next()) is not None:
                self._look(consumer)
                if due:
                    self._commit(consumer, due)
                consumer.poll(0)  # lines of the client's log, which would gather otherwise
            consumer.close()
        except StreamError as error:
            self._on_broken(error)
        except Exception as error:  # whatever it is, the reader must hear of it
            self._on_broken(SourceError(f"The progress cannot be kept: {describe_error(error)}."))

    def _next(self) -> dict[TopicPartition, CommitOffset] | None:
        """What is to be committed; nothing when it is only time to look; None: closed."""
        desk = self._desk
        with desk.changed:
            desk.is_busy = False
            desk.changed.wait_for(lambda: desk.due or desk.is_closed, LOOK_EVERY_S)
            if desk.is_closed:
                return None
            due, desk.due, desk.is_busy = desk.due, {}, bool(desk.due)
            return due

    def _look(self, consumer: Consumer) -> None:
        """Another run of this name may have begun; Kafka fences nobody who is not a member.

        Raises:
            RefusedError: it has, or Kafka does not let us see.
        """
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            found = committed(consumer, list(self._kept.prefixes), LOOK_TIMEOUT_S)
        except RefusedError:
            raise
        except SourceError:
            return  # asked again soon
        if any(self._kept.run not in metadata for _, metadata in found.values()):
            group = self._config["group.id"]
            raise RefusedError(f"Another run of this name has begun and continues from here ({group}); this one stops.")

    def _commit(self, consumer: Consumer, due: Offsets) -> None:
        """Raises RefusedError when Kafka will never store this group's commits."""
        asked = [
            KafkaPartition(*tp, one.offset, self._kept.prefixes.get(tp, "") + one.metadata) for tp, one in due.items()
        ]
        try:
            answers = consumer.commit(offsets=asked, asynchronous=False) or []
            errors = {TopicPartition(a.topic, a.partition): a.error for a in answers}
        except KafkaException as broken:
            errors = dict.fromkeys(due, kafka_error(broken))
        results = [_result(tp, one, errors.get(tp)) for tp, one in due.items()]
        self._report(results)
        for fault in errors.values():
            if fault is not None and fault.code() in NEVER_STORED:
                raise as_source_error(fault, "keeping the progress")
        if any(result.outcome is not CommitOutcome.OK for result in results):
            time.sleep(AGAIN_AFTER_S)


def _result(tp: TopicPartition, due: CommitOffset, error: KafkaError | None) -> CommitResult:
    outcome = commit_outcome(error)
    word = "" if error is None or outcome is CommitOutcome.OK else error_word(error)
    return CommitResult(tp, due.epoch, due.offset, outcome, word)

"""Partitions that were granted and are not read yet: their starts are asked for, or are being committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer

from stream.core.errors import RefusedError, SourceError
from stream.core.model import CommitOffset, CommitOutcome, CommitResult, TopicPartition
from stream.core.ports import Journal
from stream.kafka.assignment import Assignment
from stream.kafka.committer import FIRST, Committer
from stream.kafka.starts import Resolved, Start, Starts

AGAIN_AFTER_S = 1.0

Answer = TypeVar("Answer")
Begin = Callable[[Sequence[Start]], None]


class Arrivals:
    """Tries until Kafka answers, between polls, so that the group and a stop are served meanwhile."""

    def __init__(
        self, starts: Starts, assignment: Assignment, committer: Committer, begin: Begin, journal: Journal
    ) -> None:
        self._starts = starts
        self._assignment = assignment
        self._committer = committer
        self._begin = begin
        self._journal = journal
        self._unknown: set[TopicPartition] = set()
        self._committing: dict[TopicPartition, Start] = {}
        self._ready: list[Start] = []
        self._ask_at = 0.0

    def add(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> None:
        """Granted, within the assign callback: begin what was committed, park the rest.

        Raises:
            RefusedError: Kafka does not let us see what was committed.
        """
        starts = self._asked(lambda: self._starts.known(consumer, tps)) or []
        known = {start.tp for start in starts}
        if known or not tps:
            self._assignment.grant(consumer, starts)
            self._begin(starts)
        if parked := [tp for tp in tps if tp not in known]:
            self._assignment.park(consumer, parked)
            self._unknown |= set(parked)

    def go_on(self, consumer: Consumer) -> None:
        """Between two polls: begin what has become ready, ask again where there was no answer."""
        if self._ready:
            self._grant(consumer, self._ready)
        if not self._unknown or time.monotonic() < self._ask_at:
            return
        asked = sorted(self._unknown)
        if (resolved := self._asked(lambda: self._starts.resolve(consumer, asked))) is None:
            return
        if resolved.known:
            self._grant(consumer, resolved.known)
        if resolved.fresh:
            self._commit(consumer, resolved)

    def drop(self, tps: Collection[TopicPartition]) -> None:
        """They are not ours any more."""
        self._unknown -= set(tps)
        self._ready = [start for start in self._ready if start.tp not in tps]
        for tp in tps:
            self._committing.pop(tp, None)

    def on_committed(self, results: Iterable[CommitResult]) -> None:
        """Answers to commits of starts, among others that were made for partitions of other members."""
        for result in results:
            start = self._committing.get(result.tp)
            if start is None or start.offset != result.offset:
                continue
            del self._committing[result.tp]
            if result.outcome is CommitOutcome.OK:
                self._ready.append(start)
            else:
                self._unknown.add(result.tp)
                self._ask_again(f"The commit of the start failed ({result.error}).")

    def _grant(self, consumer: Consumer, starts: Sequence[Start]) -> None:
        self._assignment.grant(consumer, starts)
        self.drop([start.tp for start in starts])
        self._begin(starts)

    def _asked(self, question: Callable[[], Answer]) -> Answer | None:
        try:
            return question()
        except RefusedError:
            raise
        except SourceError as error:
            self._ask_again(str(error))
            return None

    def _ask_again(self, why: str) -> None:
        self._ask_at = time.monotonic() + AGAIN_AFTER_S
        self._journal.warning("Start offsets are not known yet; asking again.", error=why)

    def _commit(self, consumer: Consumer, resolved: Resolved) -> None:
        self._committing |= {start.tp: start for start in resolved.fresh}
        self._unknown -= self._committing.keys()
        starts = [*resolved.fresh, *resolved.others]
        self._committer.commit(consumer, {start.tp: CommitOffset(FIRST, start.offset) for start in starts})

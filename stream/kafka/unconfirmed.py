"""Records that another topic of the same name may hold, kept back until the id of the topic is confirmed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from stream.kafka.assignment import Assignment
from stream.kafka.batches import Polled
from stream.kafka.paused_buffer import PausedBuffer
from stream.kafka.topic_ids import TopicIds
from stream.model.records import RecordBatch, TopicPartition

SILENT_S = 0.25
"""How long nothing came of a topic when what comes next may be another topic's. The client reads nothing for longer of
one that was deleted: `fetch.error.backoff.ms` is 500."""
LOW = 1_000_000
"""No topic that was just created has as many records in one partition before the next look at all ids."""
GIVE_UP_S = 5.0
"""How long records wait for an id that Kafka does not give."""


@dataclass(slots=True)
class _Doubt:
    since: float
    question: int
    """The first one that was asked after the records came."""


class UnconfirmedRecords:
    """Keeps what comes of a topic that was silent, at an offset that a new topic may have by now.

    A topic that is deleted, created again and filled within a moment is read on at the old one's offset: its first
    records would come after later ones, and these twice.
    """

    def __init__(self, ids: TopicIds, assignment: Assignment, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ids = ids
        self._assignment = assignment
        self._monotonic = monotonic
        self._kept = PausedBuffer(assignment.epochs)
        self._doubts: dict[str, _Doubt] = {}
        """By topic."""
        self._came_at: dict[str, float] = {}
        """When something came of each topic last."""

    @property
    def is_any(self) -> bool:
        """Whether records are kept."""
        return bool(self._doubts)

    @property
    def full(self) -> set[TopicPartition]:
        """Held partitions of which so much is kept that they are to be paused."""
        return self._kept.full

    def sift(self, polled: Polled) -> Polled:
        """Keep what is in doubt; the rest."""
        now = self._monotonic()
        for batch in polled.batches:
            if now - self._came_at.get(batch.tp.topic, now) >= SILENT_S and self._may_be_another(batch):
                self._doubts.setdefault(batch.tp.topic, _Doubt(now, self._ids.demand()))
        self._came_at |= {batch.tp.topic: now for batch in polled.batches}
        if not self._doubts:
            return polled
        came = {batch.tp for batch in polled.batches} | {tp for tp, _, _ in polled.ends}
        return self._kept.sift(polled, {tp for tp in came if tp.topic in self._doubts})

    def take(self) -> Polled:
        """What is no longer in doubt; what is of an earlier epoch, or of a partition that is stopped, is dropped."""
        if not self._doubts:
            return Polled()
        self._doubts = {topic: doubt for topic, doubt in self._doubts.items() if not self._is_over(topic, doubt)}
        taken, stopped = self._kept.take(lambda tp: tp.topic not in self._doubts), self._assignment.stopped
        taken.batches = [batch for batch in taken.batches if batch.tp not in stopped]
        taken.ends = [end for end in taken.ends if end[0] not in stopped]
        return taken

    def _may_be_another(self, batch: RecordBatch) -> bool:
        return batch.records[0].offset < LOW and batch.tp.topic in self._ids.known

    def _is_over(self, topic: str, doubt: _Doubt) -> bool:
        if self._ids.confirmed.get(topic, 0) >= doubt.question:
            return True
        if self._ids.answered >= doubt.question:  # it did not give this one
            doubt.question = self._ids.demand()
        return self._monotonic() - doubt.since >= GIVE_UP_S

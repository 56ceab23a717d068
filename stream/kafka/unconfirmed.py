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

AT_END_S = 0.25
"""How long a partition was at its end when what comes next may be another topic's. The client reads nothing for longer
of a topic that was deleted: `fetch.error.backoff.ms` is 500."""
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
    """Keeps what comes of a partition that was idle at its end, at an offset that a new topic may have by now.

    A topic that is deleted, created again and filled within a moment is read on at the old one's offset: its first
    records would come after later ones, and these twice.
    """

    def __init__(self, ids: TopicIds, assignment: Assignment, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ids = ids
        self._assignment = assignment
        self._monotonic = monotonic
        self._kept = PausedBuffer(assignment.epochs)
        self._doubts: dict[TopicPartition, _Doubt] = {}
        self._at_end: dict[TopicPartition, tuple[int, float]] = {}
        """(epoch, since when) of partitions that are at their end."""

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
            epoch, since = self._at_end.pop(batch.tp, (batch.epoch, now))
            if epoch == batch.epoch and now - since >= AT_END_S and self._may_be_another(batch):
                self._doubts.setdefault(batch.tp, _Doubt(now, self._ids.demand()))
        for tp, epoch, _ in polled.ends:
            if self._at_end.get(tp, (0, now))[0] != epoch:
                self._at_end[tp] = epoch, now
        return self._kept.sift(polled, self._doubts.keys())

    def take(self) -> Polled:
        """What is no longer in doubt; what is of an earlier epoch, or of a partition that is stopped, is dropped."""
        if not self._doubts:
            return Polled()
        for tp, doubt in list(self._doubts.items()):
            if tp in self._assignment.stopped or self._is_over(tp, doubt):
                del self._doubts[tp]
        taken = self._kept.take(lambda tp: tp not in self._doubts)
        stopped = self._assignment.stopped
        taken.batches = [batch for batch in taken.batches if batch.tp not in stopped]
        taken.ends = [end for end in taken.ends if end[0] not in stopped]
        return taken

    def _may_be_another(self, batch: RecordBatch) -> bool:
        return batch.records[0].offset < LOW and batch.tp.topic in self._ids.known

    def _is_over(self, tp: TopicPartition, doubt: _Doubt) -> bool:
        if tp not in self._assignment.epochs or self._ids.confirmed.get(tp.topic, 0) >= doubt.question:
            return True
        if self._ids.answered >= doubt.question:  # it did not give this one
            doubt.question = self._ids.demand()
        return self._monotonic() - doubt.since >= GIVE_UP_S

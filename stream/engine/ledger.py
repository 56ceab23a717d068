"""The books of one engine: which partitions it owns, and what is open in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.engine.partition import Phase, Tenure
from stream.engine.room import Room
from stream.model.commit_map import Range
from stream.model.events import Settlement
from stream.model.policies import Limits
from stream.model.ports import Source
from stream.model.records import Record, TopicPartition, hold
from stream.model.source import StartedPartition
from stream.model.statistics import EngineStats


class Ledger:
    """Every admitted offset is opened here and settled here, exactly once each.

    Invariant: events received = settled + open, per topic, after every call.
    """

    def __init__(self, limits: Limits, stats: EngineStats, source: Source) -> None:
        self.tenures: dict[TopicPartition, Tenure] = {}
        self.room = Room(limits, self.tenures, stats, source)
        self._stats = stats

    def begin(self, started: StartedPartition, done_before: Sequence[list[Range]]) -> Tenure:
        """Own a partition from now on; `done_before` has what the commit's map says, per workflow."""
        tenure = self.tenures[started.tp] = Tenure.begin(started, done_before)
        if tenure.committed >= 0:
            self._stats.committed[tenure.tp] = tenure.committed
        self._stats.records_lost.setdefault(tenure.tp, 0)
        self._stats.partitions_assigned = len(self.tenures)
        return tenure

    def refresh_gauges(self) -> None:
        """Show what would cost too much at every event to the metrics."""
        self._stats.held_records = sum(tenure.is_held for tenure in self.tenures.values())
        self._stats.partitions_halted = sum(tenure.is_halted for tenure in self.tenures.values())

    def count_removed(self) -> None:
        """An event waited for a workflow that is configured no more."""
        self._stats.removed += 1

    def owned(self, tps: Iterable[TopicPartition]) -> list[Tenure]:
        """The present tenures of those of these partitions that are owned."""
        return [self.tenures[tp] for tp in tps if tp in self.tenures]

    def active(self, tp: TopicPartition, epoch: int) -> Tenure | None:
        """The tenure that records of this epoch belong to; None when it is draining or over."""
        tenure = self.tenures.get(tp)
        if tenure is None or tenure.epoch != epoch or tenure.phase is not Phase.ACTIVE:
            return None
        return tenure

    def admit(self, tenure: Tenure, records: Sequence[Record]) -> None:
        """Open the offsets of these records, which are the partition's next."""
        tenure.tracker.admit([record.offset for record in records])
        self._count_open(tenure, len(records), hold(records))

    def settle(self, tenure: Tenure, records: Sequence[Record], settlement: Settlement) -> None:
        """Everything is done with these records of one partition."""
        tenure.tracker.settle([record.offset for record in records])
        self._count_open(tenure, -len(records), -sum([record.held_bytes for record in records]))
        self._stats.settled[tenure.tp.topic, settlement] += len(records)
        if tenure.is_stopped or not self.room.is_open:
            self.room.after_settling(tenure)

    def close(self, tenure: Tenure) -> None:
        """The tenure is over: what is still open is abandoned to the next owner."""
        tenure.phase = Phase.CLOSED
        topic, abandoned = tenure.tp.topic, tenure.tracker.open_count
        self._stats.settled[topic, Settlement.ABANDONED] += abandoned
        self._stats.open_events[topic] -= abandoned
        self._stats.open_bytes -= tenure.open_bytes
        self.room.open_events -= abandoned
        if self.tenures.get(tenure.tp) is tenure:
            del self.tenures[tenure.tp]
            self._stats.committed.pop(tenure.tp, None)
            self._stats.ends.pop(tenure.tp, None)
            self._stats.records_lost.pop(tenure.tp, None)
            self._stats.partitions_assigned = len(self.tenures)
            self._stats.partitions_halted -= tenure.is_halted
        self.room.after_settling(tenure)

    def _count_open(self, tenure: Tenure, records: int, size: int) -> None:
        tenure.open_bytes += size
        self._stats.open_bytes += size
        self._stats.open_events[tenure.tp.topic] += records
        self.room.open_events += records

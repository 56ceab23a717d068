"""The books of one engine: which partitions it owns, and what is open in them."""

from __future__ import annotations

from collections.abc import Sequence

from stream.core.commit_map import Range
from stream.core.model import Limits, Record, Settlement, StartedPartition, TopicPartition
from stream.core.ports import Source
from stream.core.stats import EngineStats
from stream.core.tenure import Phase, Tenure
from stream.pipeline.room import Room


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
        return tenure

    def refresh_gauges(self) -> None:
        """Show what would cost too much at every event to the metrics."""
        self._stats.held_records = sum(tenure.is_held for tenure in self.tenures.values())

    def active(self, tp: TopicPartition, epoch: int) -> Tenure | None:
        """The tenure that records of this epoch belong to; None when it is draining or over."""
        tenure = self.tenures.get(tp)
        if tenure is None or tenure.epoch != epoch or tenure.phase is not Phase.ACTIVE:
            return None
        return tenure

    def admit(self, tenure: Tenure, record: Record) -> bool:
        """Open the record's offset. False: it was admitted before in this tenure, and is ignored."""
        if not tenure.tracker.admit(record.offset):
            return False
        size = record.size
        tenure.open_bytes += size
        self._stats.open_bytes += size
        self._stats.open_events[record.topic] += 1
        self.room.open_events += 1
        return True

    def settle(self, tenure: Tenure, record: Record, settlement: Settlement) -> None:
        """Everything is done with the record."""
        tenure.tracker.settle(record.offset)
        size = record.size
        tenure.open_bytes -= size
        self._stats.open_bytes -= size
        self._stats.open_events[record.topic] -= 1
        self._stats.settled[record.topic, settlement] += 1
        room = self.room
        room.open_events -= 1
        if tenure.is_stopped or not room.is_open:
            room.after_settling(tenure)

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
        self.room.after_settling(tenure)

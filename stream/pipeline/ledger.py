"""The books of one engine: which partitions it owns, what is open in them, and when intake must stop."""

from __future__ import annotations

from collections.abc import Callable

from stream.core.model import Limits, Record, Settlement, StartedPartition, TopicPartition
from stream.core.ports import Source
from stream.core.stats import EngineStats
from stream.core.tenure import Phase, Tenure


class Ledger:
    """Every admitted offset is opened here and settled here, exactly once each.

    Invariant: events received = settled + open, per topic, after every call.
    """

    def __init__(self, limits: Limits, stats: EngineStats, source: Source, workflows: int) -> None:
        self.tenures: dict[TopicPartition, Tenure] = {}
        self.on_settled: Callable[[], None] = lambda: None
        self._limits = limits
        self._stats = stats
        self._source = source
        self._workflows = workflows
        self._open_events = 0
        self._intake_open = True

    def begin(self, started: StartedPartition) -> Tenure:
        """Own a partition from now on."""
        tenure = self.tenures[started.tp] = Tenure.begin(started, self._workflows)
        if tenure.committed >= 0:
            self._stats.committed[tenure.tp] = tenure.committed
        return tenure

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
        self._open_events += 1
        return True

    def settle(self, tenure: Tenure, record: Record, settlement: Settlement) -> None:
        """Everything is done with the record."""
        tenure.tracker.settle(record.offset)
        size = record.size
        tenure.open_bytes -= size
        self._stats.open_bytes -= size
        self._stats.open_events[record.topic] -= 1
        self._stats.settled[record.topic, settlement] += 1
        self._open_events -= 1
        if not self._intake_open:
            self._reopen_intake()

    def close(self, tenure: Tenure) -> None:
        """The tenure is over: what is still open is abandoned to the next owner."""
        tenure.phase = Phase.CLOSED
        topic, abandoned = tenure.tp.topic, tenure.tracker.open_count
        self._stats.settled[topic, Settlement.ABANDONED] += abandoned
        self._stats.open_events[topic] -= abandoned
        self._stats.open_bytes -= tenure.open_bytes
        self._open_events -= abandoned
        if self.tenures.get(tenure.tp) is tenure:
            del self.tenures[tenure.tp]
            self._stats.committed.pop(tenure.tp, None)
            self._stats.ends.pop(tenure.tp, None)
        if not self._intake_open:
            self._reopen_intake()

    def stop_intake_when_full(self) -> None:
        """Called after each batch: a full process takes no more records until half is settled."""
        limits = self._limits
        full = self._open_events >= limits.max_open_events or self._stats.open_bytes >= limits.max_open_bytes
        if full and self._intake_open:
            self._intake_open = False
            self._source.set_intake(False)

    def _reopen_intake(self) -> None:
        limits = self._limits
        if self._open_events * 2 <= limits.max_open_events and self._stats.open_bytes * 2 <= limits.max_open_bytes:
            self._intake_open = True
            self._source.set_intake(True)

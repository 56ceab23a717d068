"""When the watermarks are committed, and what is made of Kafka's answers."""

from __future__ import annotations

from stream.core.model import CommitOutcome, CommitResult
from stream.core.ports import Cancel, Journal, Scheduler, Source, Trace
from stream.core.stats import EngineStats
from stream.core.tenure import Phase, Tenure
from stream.pipeline.ledger import Ledger


class Commits:
    """Commits each partition's watermark once an interval, when it moved; one commit under way at a time."""

    def __init__(
        self,
        interval_s: float,
        ledger: Ledger,
        source: Source,
        clock: Scheduler,
        stats: EngineStats,
        journal: Journal,
        trace: Trace | None,
    ) -> None:
        self._interval_s = interval_s
        self._ledger = ledger
        self._source = source
        self._clock = clock
        self._stats = stats
        self._journal = journal
        self._trace = trace
        self._timer: Cancel | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Commit on the interval from now on."""
        self._timer = self._clock.call_at(self._clock.monotonic() + self._interval_s, self._tick)

    def stop(self) -> None:
        """Commit no more: the engine has ended, or what it knows is in doubt."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def take_due(self, tenure: Tenure) -> tuple[int, int] | None:
        """(epoch, next offset) when the tenure has something to commit; it counts as under way from then on."""
        watermark = tenure.tracker.watermark
        if self._is_stopped or watermark <= tenure.committed:
            return None
        tenure.committing = watermark
        return tenure.epoch, watermark

    def on_committed(self, tenure: Tenure | None, result: CommitResult) -> None:
        """Kafka answered; `tenure` is None when it is long over."""
        stored = result.outcome is CommitOutcome.OK
        self._stats.commits[result.outcome] += 1
        if tenure is not None:
            if result.offset == tenure.committing:
                tenure.committing = -1
            if stored:
                tenure.committed = max(tenure.committed, result.offset)
            if stored and tenure.phase is not Phase.CLOSED:
                self._stats.committed[result.tp] = tenure.committed
        if self._trace is not None:
            where = {"topic": result.tp.topic, "partition": result.tp.partition, "offset": result.offset}
            self._trace.emit("committed", **where, ok=stored)
        if result.outcome is CommitOutcome.FAILED:
            where = {"topic": result.tp.topic, "partition": result.tp.partition, "offset": result.offset}
            self._journal.error("A commit failed; it is tried again.", **where, error=result.error)

    def _tick(self) -> None:
        active = (t for t in self._ledger.tenures.values() if t.phase is Phase.ACTIVE and t.committing < 0)
        due = {tenure.tp: offset for tenure in active if (offset := self.take_due(tenure)) is not None}
        if due:
            self._source.commit(due)
        self.start()

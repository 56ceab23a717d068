"""When the watermarks are committed, with what is done beyond them, and what is made of Kafka's answers."""

from __future__ import annotations

from collections.abc import Sequence

from stream.core.commit_map import encode
from stream.core.model import CommitOffset, CommitOutcome, CommitResult
from stream.core.ports import Cancel, Journal, Scheduler, Source, Trace
from stream.core.stats import EngineStats
from stream.core.tenure import Phase, Tenure
from stream.pipeline.ledger import Ledger

TOO_LARGE = "OFFSET_METADATA_TOO_LARGE"


class Commits:
    """Commits each partition's watermark and map once an interval, when they changed; one under way at a time."""

    def __init__(
        self,
        interval_s: float,
        hashes: Sequence[int | None],
        ledger: Ledger,
        source: Source,
        clock: Scheduler,
        stats: EngineStats,
        journal: Journal,
        trace: Trace | None,
        metadata_max_bytes: int,
    ) -> None:
        self._interval_s = interval_s
        self._hashes = hashes
        self._ledger = ledger
        self._source = source
        self._clock = clock
        self._stats = stats
        self._journal = journal
        self._trace = trace
        self._metadata_max_bytes = metadata_max_bytes
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

    def take_due(self, tenure: Tenure) -> CommitOffset | None:
        """What the tenure has to commit; it counts as under way from then on. None when nothing changed."""
        if self._is_stopped:
            return None
        watermark = tenure.tracker.watermark
        done_map = tenure.done_map(self._hashes)
        if watermark == tenure.committed and not tenure.committed_metadata and not any(done_map.done.values()):
            return None  # nothing was done since the start; the topic's id alone is not worth a commit
        metadata = encode(done_map, self._metadata_max_bytes)
        tenure.map_bytes = len(metadata)
        if (watermark, metadata) == (tenure.committed, tenure.committed_metadata):
            return None
        tenure.committing, tenure.committing_metadata = watermark, metadata
        tenure.commits_under_way += 1
        if self._trace is not None:
            self._trace.flush()  # what allows this commit must be on record before it is made
        return CommitOffset(tenure.epoch, watermark, metadata)

    def on_committed(self, tenure: Tenure | None, result: CommitResult) -> None:
        """Kafka answered; `tenure` is None when it is long over."""
        stored = result.outcome is CommitOutcome.OK
        self._stats.commits[result.outcome] += 1
        if tenure is not None:
            self._note(tenure, result, stored)
        where = {"topic": result.tp.topic, "partition": result.tp.partition, "offset": result.offset}
        if self._trace is not None:
            self._trace.emit("committed", **where, ok=stored)
        if result.error == TOO_LARGE:
            self._shorten_maps()
        elif result.outcome is CommitOutcome.FAILED:
            self._journal.warning("A commit failed; it is tried again.", **where, error=result.error)

    def _note(self, tenure: Tenure, result: CommitResult, stored: bool) -> None:
        tenure.commits_under_way -= 1
        if stored and result.offset >= tenure.committed:
            tenure.committed = result.offset
            if result.offset == tenure.committing:
                tenure.committed_metadata = tenure.committing_metadata
        if result.offset == tenure.committing:
            tenure.committing = -1
        if stored and tenure.phase is not Phase.CLOSED:
            self._stats.committed[result.tp] = tenure.committed

    def _shorten_maps(self) -> None:
        self._metadata_max_bytes //= 2
        self._journal.warning(
            "Kafka refused a commit's metadata as too long; maps are kept shorter, so that a restart may repeat more.",
            metadata_max_bytes=self._metadata_max_bytes,
        )

    def _tick(self) -> None:
        active = [t for t in self._ledger.tenures.values() if t.phase is Phase.ACTIVE and not t.commits_under_way]
        due = {tenure.tp: offset for tenure in active if (offset := self.take_due(tenure)) is not None}
        if due:
            self._source.commit(due)
        for tenure in active:
            self._ledger.room.after_commit(tenure)
        self.start()

"""When the watermarks are committed, with what is done beyond them, and what is made of Kafka's answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from stream.engine.ledger import Ledger
from stream.engine.partition import Phase, Tenure
from stream.model.commit_map import CommitMap, encode
from stream.model.ports import Cancel, Logger, Scheduler, Source
from stream.model.source import CommitOffset, CommitOutcome, CommitResult
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener

A_TURN = 2_000
"""Deliveries that are looked at in one turn of the event loop, about: their maps take a few milliseconds to make."""
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
        logger: Logger,
        listeners: Sequence[DeliveryListener],
        metadata_max_bytes: int,
    ) -> None:
        self._interval_s = interval_s
        self._hashes = hashes
        self._ledger = ledger
        self._source = source
        self._clock = clock
        self._stats = stats
        self._logger = logger
        self._listeners = listeners
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
        watermark, done_map = tenure.tracker.watermark, self._done_map(tenure)
        if watermark == tenure.committed and not (tenure.committed_metadata or done_map):
            return None  # nothing was done since the start; the topic's id alone is not worth a commit
        metadata = done_map or encode(CommitMap(watermark, topic_id=tenure.topic_id), self._metadata_max_bytes)
        tenure.map_bytes = len(metadata)
        if (watermark, metadata) == (tenure.committed, tenure.committed_metadata):
            return None
        tenure.committing, tenure.committing_metadata = watermark, metadata
        tenure.commits_under_way += 1
        for listener in self._listeners:
            listener.flush()
        return CommitOffset(tenure.epoch, watermark, metadata)

    def _done_map(self, tenure: Tenure) -> str:
        """The map as text, made only when it has changed; empty when nothing is done in it."""
        state = (self._metadata_max_bytes, *tenure.doneness(self._hashes))
        if state != tenure.encoded:
            done_map = tenure.done_map(self._hashes)
            is_empty = not any(done_map.done.values())
            tenure.encoded_map = "" if is_empty else encode(done_map, self._metadata_max_bytes)
            tenure.encoded = state
        return tenure.encoded_map

    def on_committed(self, tenure: Tenure | None, result: CommitResult) -> None:
        """Kafka answered; `tenure` is None when it is long over."""
        stored = result.outcome is CommitOutcome.OK
        self._stats.commits[result.outcome] += 1
        if tenure is not None:
            self._note(tenure, result, stored)
        where = {"topic": result.tp.topic, "partition": result.tp.partition, "offset": result.offset}
        for listener in self._listeners:
            listener.on_committed(result.tp, result.offset, stored)
        if result.error == TOO_LARGE:
            self._shorten_maps()
        elif result.outcome is CommitOutcome.FAILED:
            self._logger.warning("A commit failed; it is tried again.", **where, error=result.error)

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
        self._logger.warning(
            "Kafka refused a commit's metadata as too long; maps are kept shorter, so that a restart may repeat more.",
            metadata_max_bytes=self._metadata_max_bytes,
        )

    def _tick(self) -> None:
        active = [t for t in self._ledger.tenures.values() if t.phase is Phase.ACTIVE and not t.commits_under_way]
        self._commit_some(deque(active))

    def _commit_some(self, tenures: deque[Tenure]) -> None:
        """Commit the first of these, and the others in the next turns of the event loop: answers come in between."""
        looked_at, due, cost = [], {}, 0
        while tenures and cost < A_TURN:
            tenure = tenures.popleft()
            if tenure.phase is Phase.ACTIVE and not tenure.commits_under_way:
                looked_at.append(tenure)
                cost += 1 + sum(len(share.pending) for share in tenure.shares)
                if (offset := self.take_due(tenure)) is not None:
                    due[tenure.tp] = offset
        if due:
            self._source.commit(due)
        for tenure in looked_at:
            self._ledger.room.after_commit(tenure)
        if tenures:
            self._timer = self._clock.call_at(self._clock.monotonic(), partial(self._commit_some, tenures))
        else:
            self.start()

"""When the watermarks are committed, with what is done beyond them, and what follows from Kafka's answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionState
from stream.engine.steps import Steps
from stream.model.commit_map import CommitMap, encode
from stream.model.ports import Cancel, Logger, Source
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
        metadata_max_bytes: int,
        hashes: Sequence[int | None],
        ledger: Ledger,
        source: Source,
        steps: Steps,
        stats: EngineStats,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self._interval_s = interval_s
        self._metadata_max_bytes = metadata_max_bytes
        self._hashes = hashes
        self._ledger = ledger
        self._source = source
        self._steps = steps
        self._stats = stats
        self._logger = logger
        self._listeners = listeners
        self._timer: Cancel | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Commit on the interval from now on."""
        self._timer = self._steps.call_at(self._steps.monotonic() + self._interval_s, self._tick)

    def stop(self) -> None:
        """Commit nothing from now on: the engine has ended, or what it knows is in doubt."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def take_due(self, partition: PartitionState) -> CommitOffset | None:
        """What the partition has to commit; it counts as under way from then on. None when nothing changed."""
        if self._is_stopped:
            return None
        commit, watermark, done_map = partition.commit, partition.tracker.watermark, self._done_map(partition)
        if commit.is_bare(watermark) and not done_map:
            return None  # nothing was done since the start; the topic's id alone is not worth a commit
        metadata = done_map or encode(CommitMap(watermark, topic_id=partition.topic_id), self._metadata_max_bytes)
        commit.map_bytes = len(metadata)
        if commit.has(watermark, metadata):
            return None
        commit.send(watermark, metadata)
        for listener in self._listeners:
            listener.flush()
        return CommitOffset(partition.epoch, watermark, metadata)

    def _done_map(self, partition: PartitionState) -> str:
        """The map as text, made only when it has changed; empty when nothing is done in it."""
        made_of = (self._metadata_max_bytes, *partition.map_sources(self._hashes))
        text = partition.commit.known_map(made_of)
        if text is None:
            done_map = partition.done_map(self._hashes)
            text = encode(done_map, self._metadata_max_bytes) if any(done_map.done.values()) else ""
            partition.commit.keep_map(made_of, text)
        return text

    def on_committed(self, partition: PartitionState | None, result: CommitResult) -> None:
        """Kafka answered; `partition` is None when its assignment is long over."""
        is_stored = result.outcome is CommitOutcome.OK
        self._stats.commits[result.outcome] += 1
        if partition is not None:
            partition.commit.receive(result.offset, is_stored)
            if is_stored and not partition.is_closed:
                self._stats.committed[result.tp] = partition.commit.offset
        for listener in self._listeners:
            listener.on_committed(result.tp, result.offset, is_stored)
        if result.error == TOO_LARGE:
            self._shorten_maps()
        elif result.outcome is CommitOutcome.FAILED:
            where = {"topic": result.tp.topic, "partition": result.tp.partition, "offset": result.offset}
            self._logger.warning("A commit failed; it is tried again.", **where, error=result.error)

    def _shorten_maps(self) -> None:
        self._metadata_max_bytes //= 2
        self._logger.warning(
            "Kafka refused a commit's metadata as too long; maps are kept shorter, so that a restart may repeat more.",
            metadata_max_bytes=self._metadata_max_bytes,
        )

    def _tick(self) -> None:
        self._commit_some(deque(self._ledger.partitions.values()))

    def _commit_some(self, partitions: deque[PartitionState]) -> None:
        """Commit the first of these, and the others in the next turns of the event loop: results come in between."""
        due, cost = {}, 0
        while partitions and cost < A_TURN:
            partition = partitions.popleft()
            if partition.is_active and not partition.commit.under_way:
                cost += 1 + sum(len(workflow.pending) for workflow in partition.workflows)
                if (offset := self.take_due(partition)) is not None:
                    due[partition.tp] = offset
                self._steps.touched.partition(partition)  # its map may be too long by now, or short enough
        if due:
            self._source.commit(due)
        if partitions:
            self._timer = self._steps.call_at(self._steps.monotonic(), partial(self._commit_some, partitions))
        else:
            self.start()

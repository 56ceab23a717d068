"""Which partitions an engine owns, and what is open in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.engine.partition import PartitionState
from stream.engine.steps import Touched
from stream.model.commit_map import Range
from stream.model.events import Settlement
from stream.model.records import Record, TopicPartition, hold
from stream.model.source import StartedPartition
from stream.model.statistics import EngineStats


class Ledger:
    """Every admitted offset is opened here and settled here, exactly once each.

    Invariant: events received = settled + open, per topic, after every call.
    """

    def __init__(self, stats: EngineStats, touched: Touched) -> None:
        self.partitions: dict[TopicPartition, PartitionState] = {}
        self.open_events = 0
        self._stats = stats
        self._touched = touched

    def begin(self, started: StartedPartition, done_before: Sequence[list[Range]]) -> PartitionState:
        """Own a partition from now on; `done_before` has what the commit's map says, per workflow."""
        partition = self.partitions[started.tp] = PartitionState.begin(started, done_before)
        if partition.commit.offset >= 0:
            self._stats.committed[partition.tp] = partition.commit.offset
        self._stats.records_lost.setdefault(partition.tp, 0)
        self._stats.partitions_assigned = len(self.partitions)
        self._touched.partition(partition)
        return partition

    def refresh_gauges(self) -> None:
        """Show what would cost too much at every event to the metrics."""
        partitions = self.partitions.values()
        self._stats.held_records = sum(partition.held_by is not None for partition in partitions)
        self._stats.partitions_awaiting_schema = sum(partition.awaits_schema for partition in partitions)
        self._stats.partitions_halted = sum(partition.is_halted for partition in partitions)

    def count_removed(self) -> None:
        """An event waited for a workflow that was removed from the settings."""
        self._stats.removed += 1

    def owned(self, tps: Iterable[TopicPartition]) -> list[PartitionState]:
        """Those of these partitions that are owned."""
        return [self.partitions[tp] for tp in tps if tp in self.partitions]

    def active(self, tp: TopicPartition, epoch: int) -> PartitionState | None:
        """The partition that records of this epoch belong to; None when it is draining or over."""
        partition = self.partitions.get(tp)
        if partition is None or partition.epoch != epoch or not partition.is_active:
            return None
        return partition

    def admit(self, partition: PartitionState, records: Sequence[Record]) -> None:
        """Open the offsets of these records, which are the partition's next."""
        size = hold(records)
        partition.admit([record.offset for record in records], size)
        self._count_open(partition, len(records), size)

    def settle(self, partition: PartitionState, records: Sequence[Record], settlement: Settlement) -> None:
        """Everything is done with these records of one partition."""
        size = sum([record.held_bytes for record in records])
        partition.settle([record.offset for record in records], size)
        self._count_open(partition, -len(records), -size)
        self._stats.settled[partition.tp.topic, settlement] += len(records)

    def close(self, partition: PartitionState) -> None:
        """The assignment is over: what is still open is abandoned to the next owner."""
        partition.close()
        topic, abandoned = partition.tp.topic, partition.tracker.open_count
        self._stats.settled[topic, Settlement.ABANDONED] += abandoned
        self._count_open(partition, -abandoned, -partition.open_bytes)
        if self.partitions.get(partition.tp) is partition:
            del self.partitions[partition.tp]
            self._stats.forget_partition(partition.tp)
            self._stats.partitions_assigned = len(self.partitions)
            self._stats.partitions_halted -= partition.is_halted
            self._stats.partitions_awaiting_schema -= partition.awaits_schema

    def _count_open(self, partition: PartitionState, records: int, size: int) -> None:
        self._stats.open_bytes += size
        self._stats.open_events[partition.tp.topic] += records
        self.open_events += records
        self._touched.partition(partition)

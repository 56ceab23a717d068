"""Stands between the owner of a range and the engine: only what is to be sent passes, and all is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream.model.ports import OnDrained, SourceEvents
from stream.model.records import RecordBatch, TopicPartition
from stream.model.source import CommitResult, DataLoss, StartedPartition
from stream.replay.replay_filter import ReplayFilter


class SiftedEvents:
    """Fulfils `SourceEvents`, and hands on to `inner`. What the sieve keeps back is like a gap in the topic."""

    def __init__(self, sieve: ReplayFilter, inner: SourceEvents, starts: Mapping[TopicPartition, int]) -> None:
        self.positions = dict(starts)
        """Offset past the last record that was sifted, per partition."""
        self.halted: set[TopicPartition] = set()
        """Partitions that are not read on, since records of theirs were lost."""
        self._sieve = sieve
        self._inner = inner

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        self._inner.on_assigned(started)

    def on_records(self, batch: RecordBatch) -> None:
        last = batch.records[-1].offset
        wanted = [record for record in batch.records if self._sieve.wants(record)]
        if wanted:
            self._inner.on_records(RecordBatch(batch.tp, batch.epoch, wanted))
        if not wanted or wanted[-1].offset != last:
            self._inner.on_position(batch.tp, batch.epoch, last + 1)
        self.positions[batch.tp] = last + 1

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        self._inner.on_position(tp, epoch, position)
        self.positions[tp] = max(position, self.positions.get(tp, 0))

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        self._inner.on_revoked(tps, on_drained)

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        self._inner.on_lost(tps)

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        self._inner.on_committed(results)

    def on_data_loss(self, loss: DataLoss) -> None:
        self._inner.on_data_loss(loss)
        if loss.skipped:
            self.positions[loss.tp] = loss.resume
        else:
            self.halted.add(loss.tp)

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        self._inner.on_topic_ids(topic_ids)

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        return self._inner.has_open(tp, epoch)


class NobodyDelivers:
    """Fulfils `SourceEvents` where records are only to be counted."""

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        """Nothing follows."""

    def on_records(self, batch: RecordBatch) -> None:
        """Nothing follows."""

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        """Nothing follows."""

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """There is nothing to wait for, and nothing to commit."""
        on_drained({})

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        """Nothing follows."""

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        """Nothing follows."""

    def on_data_loss(self, loss: DataLoss) -> None:
        """Nothing follows."""

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        """Nothing follows."""

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        """Nothing is ever open."""
        return False

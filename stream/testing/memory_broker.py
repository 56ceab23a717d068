"""A broker in memory, and a group member on it that plays the owner of a Kafka consumer. Deterministic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from stream.core.model import CommitOutcome, CommitResult, Record, RecordBatch, StartedPartition, TopicPartition
from stream.core.ports import Offsets, Scheduler, SourceEvents


@dataclass
class MemoryBroker:
    """Logs per partition, committed offsets per group, and who owns what."""

    logs: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    owners: dict[tuple[str, TopicPartition], tuple[int, int]] = field(default_factory=dict)
    """(member, epoch) that may commit for a group's partition."""
    epochs: Iterable[int] = field(default_factory=lambda: count(1))

    def create(self, topic: str, partitions: int) -> list[TopicPartition]:
        """An empty topic."""
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        for tp in tps:
            self.logs[tp] = []
            self.ends[tp] = 0
        return tps

    def append(
        self, tp: TopicPartition, value: bytes | None, key: bytes | None = None, timestamp_ms: int = 1_799_999_999_000
    ) -> int:
        """Write one record; its offset."""
        offset = self.ends[tp]
        self.logs[tp].append(Record(tp.topic, tp.partition, offset, timestamp_ms, key, value))
        self.ends[tp] = offset + 1
        return offset

    def skip(self, tp: TopicPartition, offsets: int = 1) -> None:
        """Use up offsets that no reader ever sees: transaction markers, or records that compaction removed."""
        self.ends[tp] += offsets

    def read(self, tp: TopicPartition, position: int, limit: int) -> list[Record]:
        """Up to `limit` records from `position` on."""
        log = self.logs[tp]
        low, high = 0, len(log)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if log[middle].offset < position else (low, middle)
        return log[low : low + limit]


class MemoryMember:
    """Fulfils `Source` for one engine. Polls on the clock; commits are answered after `latency_s`."""

    def __init__(
        self, broker: MemoryBroker, group: str, clock: Scheduler, *, batch: int = 100, latency_s: float = 0.01
    ):
        self.broker = broker
        self.group = group
        self.positions: dict[TopicPartition, int] = {}
        self.epochs: dict[TopicPartition, int] = {}
        self.commit_outcomes: list[CommitOutcome] = []
        """What the next commits are answered with; empty: stored."""
        self.intake_open = True
        self.is_dead = False
        self._clock = clock
        self._batch = batch
        self._latency_s = latency_s
        self._id = id(self)
        self._tell: SourceEvents

    def begin(self, events: SourceEvents) -> None:
        """Start to poll for this engine."""
        self._tell = events
        self._later(self._poll)

    # Source: what the engine asks for.

    def commit(self, offsets: Offsets) -> None:
        """Store the offsets after the latency, unless the partitions have another owner by then."""
        self._later(partial(self._store, offsets))

    def set_intake(self, is_open: bool) -> None:
        """Hand records over, or hold them back."""
        self.intake_open = is_open

    # The group: what a test does to the member.

    def assign(self, *tps: TopicPartition) -> None:
        """Grant partitions, each from its committed offset or its beginning."""
        started = []
        for tp in tps:
            epoch = self.epochs[tp] = next(iter(self.broker.epochs))
            self.broker.owners[self.group, tp] = (self._id, epoch)
            committed = self.broker.committed.get((self.group, tp))
            self.positions[tp] = start = committed or 0
            started.append(StartedPartition(tp, epoch, start, committed))
        self._tell.on_assigned(started)

    def revoke(self, *tps: TopicPartition) -> None:
        """Ask for partitions back; they are given up when the engine has drained."""
        self._tell.on_revoked(tps, partial(self._on_drained, tps))

    def lose(self, *tps: TopicPartition) -> None:
        """Take partitions away without asking."""
        self._drop(tps)
        self._tell.on_lost(tps)

    def crash(self) -> None:
        """The process dies: nothing of it happens any more."""
        self.is_dead = True
        self._drop(list(self.epochs))

    def _later(self, callback: Callable[[], None]) -> None:
        self._clock.call_at(self._clock.monotonic() + self._latency_s, partial(self._unless_dead, callback))

    def _unless_dead(self, callback: Callable[[], None]) -> None:
        if not self.is_dead:
            callback()

    def _poll(self) -> None:
        for tp in list(self.positions):
            if self.intake_open and tp in self.positions:
                self._poll_one(tp)
        self._later(self._poll)

    def _poll_one(self, tp: TopicPartition) -> None:
        epoch = self.epochs[tp]
        records = self.broker.read(tp, self.positions[tp], self._batch)
        if records:
            self.positions[tp] = records[-1].offset + 1
            self._tell.on_records(RecordBatch(tp, epoch, records))
        elif self.positions[tp] < self.broker.ends[tp]:
            self.positions[tp] = self.broker.ends[tp]
            self._tell.on_position(tp, epoch, self.broker.ends[tp])

    def _on_drained(self, tps: Iterable[TopicPartition], offsets: Offsets) -> None:
        if not self.is_dead:
            self._store(offsets)
            self._drop(tps)

    def _store(self, offsets: Offsets) -> None:
        results = []
        for tp, (epoch, offset) in offsets.items():
            outcome = self.commit_outcomes.pop(0) if self.commit_outcomes else CommitOutcome.OK
            if self.broker.owners.get((self.group, tp)) != (self._id, epoch):
                outcome = CommitOutcome.DROPPED
            if outcome is CommitOutcome.OK:
                self.broker.committed[self.group, tp] = offset
            results.append(CommitResult(tp, epoch, offset, outcome))
        self._tell.on_committed(results)

    def _drop(self, tps: Iterable[TopicPartition]) -> None:
        for tp in list(tps):
            self.positions.pop(tp, None)
            epoch = self.epochs.pop(tp, None)
            if self.broker.owners.get((self.group, tp)) == (self._id, epoch):
                del self.broker.owners[self.group, tp]

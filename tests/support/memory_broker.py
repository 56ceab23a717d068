"""A broker in memory, and a group member on it that plays the owner of a Kafka consumer. Deterministic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from stream.model.ports import Offsets, Scheduler, SourceEvents
from stream.model.records import Headers, Record, RecordBatch, TopicPartition
from stream.model.source import CommitOutcome, CommitResult, StartedPartition

IDLE_POLL_S = 0.2


@dataclass
class MemoryBroker:
    """Logs per partition, committed offsets per group, and who owns what."""

    logs: dict[TopicPartition, list[Record]] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    metadata: dict[tuple[str, TopicPartition], str] = field(default_factory=dict)
    owners: dict[tuple[str, TopicPartition], tuple[int, int]] = field(default_factory=dict)
    """(member, epoch) that may commit for a group's partition."""
    metadata_limit: int = 4096
    """Longer metadata is refused, as Kafka does."""
    on_stored: Callable[[str, TopicPartition, int, str], None] = lambda *_: None
    """Told of each commit that was stored: group, partition, offset, metadata."""
    epochs: Iterable[int] = field(default_factory=lambda: count(1))

    def create(self, topic: str, partitions: int) -> list[TopicPartition]:
        """An empty topic."""
        tps = [TopicPartition(topic, partition) for partition in range(partitions)]
        for tp in tps:
            self.logs[tp] = []
            self.ends[tp] = 0
        return tps

    def append(
        self,
        tp: TopicPartition,
        value: bytes | None,
        key: bytes | None = None,
        timestamp_ms: int = 1_799_999_999_000,
        headers: Headers | None = None,
    ) -> int:
        """Write one record; its offset."""
        offset = self.ends[tp]
        self.logs[tp].append(Record(tp.topic, tp.partition, offset, timestamp_ms, key, value, headers))
        self.ends[tp] = offset + 1
        return offset

    def skip(self, tp: TopicPartition, offsets: int = 1) -> None:
        """Use up offsets that no reader ever sees: transaction markers, or records that compaction removed."""
        self.ends[tp] += offsets

    def store(self, group: str, tp: TopicPartition, offset: int, metadata: str) -> None:
        """Keep a commit."""
        self.committed[group, tp] = offset
        self.metadata[group, tp] = metadata
        self.on_stored(group, tp, offset, metadata)

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
        self.revoking: set[TopicPartition] = set()
        """Asked back and not given up yet."""
        self.commit_outcomes: list[CommitOutcome] = []
        """What the next commits are answered with; empty: stored."""
        self.intake_open = True
        self.stopped: frozenset[TopicPartition] = frozenset()
        self.is_dead = False
        self.on_released: Callable[[TopicPartition], None] = lambda _tp: None
        """Told of each partition that was given back after a drain."""
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

    def set_stopped(self, tps: Collection[TopicPartition]) -> None:
        """Hold these partitions' records back."""
        self.stopped = frozenset(tps)

    # The group: what a test does to the member.

    def assign(self, *tps: TopicPartition) -> None:
        """Grant partitions, each from its committed offset or its beginning."""
        started = []
        for tp in tps:
            epoch = self.epochs[tp] = next(iter(self.broker.epochs))
            self.broker.owners[self.group, tp] = (self._id, epoch)
            committed = self.broker.committed.get((self.group, tp))
            self.positions[tp] = start = committed or 0
            metadata = self.broker.metadata.get((self.group, tp), "")
            started.append(StartedPartition(tp, epoch, start, committed, metadata))
        self._tell.on_assigned(started)

    def revoke(self, *tps: TopicPartition) -> None:
        """Ask for partitions back; they are given up when the engine has drained."""
        asked = {tp: self.epochs[tp] for tp in tps if tp not in self.revoking}
        self.revoking |= asked.keys()
        self._tell.on_revoked(list(asked), partial(self._on_drained, asked))

    def lose(self, *tps: TopicPartition) -> None:
        """Take partitions away without asking."""
        self._drop(tps)
        self._tell.on_lost(tps)

    def crash(self) -> None:
        """The process dies: nothing of it happens any more."""
        self.is_dead = True
        self._drop(list(self.epochs))

    def _later(self, callback: Callable[[], None], after_s: float | None = None) -> None:
        due = self._clock.monotonic() + (self._latency_s if after_s is None else after_s)
        self._clock.call_at(due, partial(self._unless_dead, callback))

    def _unless_dead(self, callback: Callable[[], None]) -> None:
        if not self.is_dead:
            callback()

    def _poll(self) -> None:
        found = [
            self._poll_one(tp)
            for tp in list(self.positions)
            if self.intake_open and tp in self.positions and tp not in self.stopped
        ]
        self._later(self._poll, self._latency_s if any(found) else IDLE_POLL_S)

    def _poll_one(self, tp: TopicPartition) -> bool:
        epoch = self.epochs[tp]
        before, end = self.positions[tp], self.broker.ends[tp]
        records = self.broker.read(tp, before, self._batch)
        self.positions[tp] = records[-1].offset + 1 if len(records) == self._batch else end
        if records:
            self._tell.on_records(RecordBatch(tp, epoch, records))
        if before < end == self.positions.get(tp):
            self._tell.on_position(tp, epoch, end)
        return bool(records)

    def _on_drained(self, asked: Mapping[TopicPartition, int], offsets: Offsets) -> None:
        if self.is_dead:
            return
        self._store(offsets)
        given_back = [tp for tp, epoch in asked.items() if self.epochs.get(tp) == epoch]
        self._drop(given_back)
        for tp in given_back:
            self.on_released(tp)

    def _store(self, offsets: Offsets) -> None:
        results = []
        for tp, (epoch, offset, metadata) in offsets.items():
            outcome = self.commit_outcomes.pop(0) if self.commit_outcomes else CommitOutcome.OK
            if self.broker.owners.get((self.group, tp)) != (self._id, epoch):
                outcome = CommitOutcome.DROPPED
            error = ""
            if outcome is CommitOutcome.OK and len(metadata) > self.broker.metadata_limit:
                outcome, error = CommitOutcome.FAILED, "OFFSET_METADATA_TOO_LARGE"
            if outcome is CommitOutcome.OK:
                self.broker.store(self.group, tp, offset, metadata)
            results.append(CommitResult(tp, epoch, offset, outcome, error))
        self._tell.on_committed(results)

    def _drop(self, tps: Iterable[TopicPartition]) -> None:
        for tp in list(tps):
            self.positions.pop(tp, None)
            self.revoking.discard(tp)
            epoch = self.epochs.pop(tp, None)
            if self.broker.owners.get((self.group, tp)) == (self._id, epoch):
                del self.broker.owners[self.group, tp]

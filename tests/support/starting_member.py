"""A group member in memory that resolves its starts as the real one does: by questions that are answered late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from random import Random

from stream.kafka.start_offsets import (
    FirstLook,
    Grants,
    ResolvedStart,
    StartAnswer,
    StartOffsets,
    TopicStart,
    has_run_without,
    topic_start,
)
from stream.model.ports import Offsets, Scheduler, SourceEvents
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome, CommitResult, StartedPartition
from support.memory_broker import MemoryBroker, MemoryMember

SLOW_S = 4.0
LOOK_EVERY_S = 0.1


class StartingMember(MemoryMember):
    """Looks, joins, asks where each granted partition starts, commits that, and only then reads it."""

    def __init__(
        self, broker: MemoryBroker, group: str, clock: Scheduler, rng: Random, start: str, *, batch: int = 100
    ) -> None:
        super().__init__(broker, group, clock, batch=batch)
        self.starts = StartOffsets()
        self.on_looked: Callable[[FirstLook], None] = lambda _look: None
        """Called with what the member saw before it joined."""
        self._rng = rng
        self._start = start

    @property
    def has_joined(self) -> bool:
        """Whether it may be granted partitions."""
        return self.starts.has_looked

    def begin(self, events: SourceEvents) -> None:
        """Start to poll, and ask for the first look."""
        super().begin(events)
        self._advance()

    def assign(self, *tps: TopicPartition) -> None:
        """Grant partitions; they are read once their starts are known and committed."""
        for tp in tps:
            epoch = self.epochs[tp] = next(iter(self.broker.epochs))
            self.broker.owners[self.group, tp] = (self._id, epoch)
        self.starts.add({tp: self.epochs[tp] for tp in tps})

    def revoke(self, *tps: TopicPartition) -> None:
        """Ask for partitions back. Those that are not read yet go at once."""
        pending = [tp for tp in tps if tp in self.epochs and tp not in self.positions]
        self._drop(pending)
        for tp in pending:
            self.on_released(tp)
        super().revoke(*(tp for tp in tps if tp in self.positions))

    def lose(self, *tps: TopicPartition) -> None:
        """Take partitions away without asking."""
        read = [tp for tp in tps if tp in self.positions]
        self._drop(tps)
        self._tell.on_lost(read)

    def _drop(self, tps: Iterable[TopicPartition]) -> None:
        gone = list(tps)
        self.starts.drop(gone)
        super()._drop(gone)

    def _advance(self) -> None:
        if self.starts.is_due(self._clock.monotonic()):
            asked = self.starts.ask()
            self._later(partial(self._arrive, asked), self._rng.uniform(0.0, SLOW_S))
        self._later(self._advance, LOOK_EVERY_S)

    def _arrive(self, asked: Grants) -> None:
        """The question has come to a broker that knows topics by their names alone."""
        self._read(asked, {})

    def _read(self, asked: Grants, topic_ids: Mapping[str, str]) -> None:
        """The broker reads what it answers; the answer takes its time as well."""
        way_back = self._rng.uniform(0.0, SLOW_S)
        if self.starts.has_looked:
            answer = replace(start_answer(self.broker, self.group, asked), topic_ids=topic_ids)
            self._later(partial(self._resolve, asked, answer), way_back)
        else:
            look = replace(first_look(self.broker, self.group, self._start), topic_ids=topic_ids)
            self.on_looked(look)
            self._later(partial(self.starts.looked, look), way_back)

    def _resolve(self, asked: Grants, answer: StartAnswer) -> None:
        if self._rng.random() < 0.1:
            self.starts.failed(self._clock.monotonic())
            return
        resolved = self.starts.answered(asked, answer, self._clock.monotonic())
        self._grant(resolved.known)
        if resolved.fresh:
            self._later(partial(self._store_starts, resolved.fresh), self._rng.uniform(0.0, SLOW_S))

    def _store_starts(self, offsets: Offsets) -> None:
        """Kafka stores what any member of the group commits, whoever has the partition.

        The member itself sends nothing for a partition whose epoch is over, and gives none back while a commit is
        under way, which here are one: the commit arrives as it is sent.
        """
        results = []
        for tp, due in offsets.items():
            outcome = CommitOutcome.RETRIED if self._rng.random() < 0.1 else CommitOutcome.OK
            if not self._may_commit(tp, due.epoch):
                outcome = CommitOutcome.DROPPED
            if outcome is CommitOutcome.OK:
                self.broker.store(self.group, tp, due.offset, due.metadata)
            results.append(CommitResult(tp, due.epoch, due.offset, outcome))
        self._grant(self.starts.committed(results, self._clock.monotonic()))

    def _may_commit(self, tp: TopicPartition, epoch: int) -> bool:
        return self.epochs.get(tp) == epoch

    def _grant(self, starts: Iterable[ResolvedStart]) -> None:
        started = []
        for start in starts:
            self.positions[start.tp] = start.offset
            epoch = self.epochs[start.tp]
            started.append(StartedPartition(start.tp, epoch, start.offset, start.offset, start.metadata))
        if started:
            self._tell.on_assigned(started)


def first_look(broker: MemoryBroker, group: str, start: str) -> FirstLook:
    """What the group and the others have committed, and how far the partitions reach."""
    known = frozenset(tp.topic for of_group, tp in broker.committed if of_group == group)
    topics = {tp.topic: topic_policy(broker, group, tp.topic, start) for tp in broker.ends if tp.topic not in known}
    latest = {topic for topic, found in topics.items() if found.policy == "latest"}
    ends = {tp: end for tp, end in broker.ends.items() if tp.topic in latest}
    return FirstLook(known, topics, ends)


def topic_policy(broker: MemoryBroker, group: str, topic: str, start: str) -> TopicStart:
    """The start policy of a topic on which the group has committed nothing."""
    others = {one for one, _ in broker.committed} - {group}
    running = (one for one in sorted(others) if has_run_without(_commits_of(broker, one), topic, group))
    return topic_start(start, None, next(running, ""))


def start_answer(broker: MemoryBroker, group: str, asked: Iterable[TopicPartition]) -> StartAnswer:
    """What is committed for these partitions, else what they hold."""
    tps = list(asked)
    committed = {
        tp: (broker.committed[group, tp], broker.metadata.get((group, tp), ""))
        for tp in tps
        if (group, tp) in broker.committed
    }
    return StartAnswer(committed, {tp: (0, broker.ends[tp]) for tp in tps if tp not in committed})


def _commits_of(broker: MemoryBroker, group: str) -> dict[TopicPartition, tuple[int, str]]:
    """(offset, metadata) of every partition that the group has committed."""
    return {
        tp: (offset, broker.metadata.get((of_group, tp), ""))
        for (of_group, tp), offset in broker.committed.items()
        if of_group == group
    }

"""The order of a sync's steps: claim, read members and state, compare, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import orjson

from stream.audience.columns import ColumnLayout
from stream.audience.diff import EventForm, MemberChange, Tally, find_changes
from stream.audience.intake import InputFile, RowIntake
from stream.audience.members import read_entries
from stream.audience.names import Computation
from stream.audience.runs import MemberRow, SortedLines, as_line, conflicts, latest
from stream.audience.state_topic import StateHead, StateTopic, head_key, user_key, user_key_prefix
from stream.audience.writer import TransactionWriter, Write
from stream.kafka.client_config import KafkaPolicy
from stream.model.errors import config_error
from stream.model.timeparse import format_wall

MAX_USERS = 1000
"""Of one transaction."""

_PROGRESS_EVERY = 10_000


class SyncProgress(Protocol):
    """Told how far a step has come."""

    def __call__(self, step: str, count: int) -> None:
        """`count` of `step` ("rows read") are done."""


@dataclass(frozen=True)
class SyncPlan:
    """What is to be synced, and what the user allows."""

    computation: Computation
    layout: ColumnLayout
    dry_run: bool
    allow_empty: bool
    skip_bad: bool
    integration_name: str

    @property
    def removes(self) -> bool:
        """Whether a user who is not in the file has left."""
        return self.computation.kind == "audience"


@dataclass(frozen=True)
class SyncOutcome:
    """What was read, and what came of it. `conflicts`: rows that another row of the same user overruled."""

    intake: RowIntake
    tally: Tally
    conflicts: int

    @property
    def duplicates(self) -> int:
        """Rows of users who had a row already."""
        return self.intake.taken - self.tally.wanted


class Sync:
    """One sync of one audience or trait. A dry run also reads, but claims, creates and writes nothing."""

    def __init__(
        self, plan: SyncPlan, source: InputFile, policy: KafkaPolicy, now: Callable[[], float], progress: SyncProgress
    ) -> None:
        self._plan = plan
        self._source = source
        self._policy = policy
        self._now = now
        self._progress = progress
        self._state = StateTopic(policy)
        self._intake = RowIntake(plan.layout.option, plan.skip_bad)
        self._tally = Tally()
        self._conflicts = 0

    def run(self) -> SyncOutcome:
        """Raises StreamError: the file, the name or Kafka is not as it should be; what is written stays valid."""
        with ExitStack() as stack:
            wanted, known = stack.enter_context(SortedLines()), stack.enter_context(SortedLines())
            if self._source.is_complete:  # so that its faults are reported before anything is touched
                self._read_wanted(wanted)
            partitions = self._state.find()
            writer = None if self._plan.dry_run else stack.enter_context(self._claimed_writer())
            if not self._source.is_complete:  # claimed before it is read: of two syncs the one begun last wins
                self._read_wanted(wanted)
            head = self._read_known(known)
            changes = find_changes(latest(wanted), _present(known), self._tally, removes=self._plan.removes)
            if writer is None:
                self._count(changes)
            else:
                self._write(writer, changes, head or self._register(writer, partitions))
        return SyncOutcome(self._intake, self._tally, self._conflicts)

    def _read_wanted(self, wanted: SortedLines) -> None:
        intake = self._intake
        rows = read_entries(self._source.lines(), self._plan.layout, self._source.name)
        for entry in intake.take(rows):
            wanted.add(as_line(MemberRow(orjson.dumps(entry.user), entry.value), entry.line))
            if intake.read % _PROGRESS_EVERY == 0:
                self._progress("rows read", intake.read)
        intake.refuse_blanks()
        if not intake.taken and not self._plan.allow_empty:
            raise config_error(intake.option, "holds no user.", "If that is meant, say so: --allow-empty.")
        if self._plan.layout.has_values:
            self._find_conflicts(wanted)

    def _find_conflicts(self, wanted: SortedLines) -> None:
        for first, second in conflicts(wanted):
            if not self._plan.skip_bad:
                what = f"lines {first} and {second} give one user different values."
                raise config_error(self._intake.option, what, "Keep one, or let the last one win: --skip-bad.")
            self._conflicts += 1

    def _claimed_writer(self) -> TransactionWriter:
        found = self._plan.computation
        writer = TransactionWriter(self._policy, f"{self._state.name}.{found.key}", f"the {found.kind} {found.key}")
        writer.claim()
        return writer

    def _read_known(self, known: SortedLines) -> StateHead | None:
        if not self._state.partitions:
            return None
        found = self._plan.computation
        head = self._state.read(found.key, known, lambda count: self._progress("records of the state read", count))
        if head is not None:
            head.refuse_other(found, self._state.partitions)
        return head

    def _register(self, writer: TransactionWriter, partitions: int) -> StateHead:
        """Write the first head in a transaction of its own: what its events' ids are made of must outlive a crash."""
        if not self._state.partitions:
            self._state.create(partitions)
        found = self._plan.computation
        head = StateHead(found.kind, found.name, found.id, format_wall(self._now()), self._state.partitions)
        writer.write([self._head_write(head)])
        return head

    def _count(self, changes: Iterator[MemberChange]) -> None:
        for _ in changes:
            if self._tally.changes % _PROGRESS_EVERY == 0:
                self._progress("changes found", self._tally.changes)

    def _write(self, writer: TransactionWriter, changes: Iterator[MemberChange], head: StateHead) -> None:
        form = EventForm(self._plan.computation, self._plan.integration_name, head.registered_at)
        while batch := list(islice(changes, MAX_USERS)):
            timestamp = format_wall(self._now())
            after = replace(head, changes=head.changes + len(batch), synced_at=timestamp)
            writer.write([*self._writes(form, batch, head.changes, timestamp), self._head_write(after)])
            head = after
            self._progress("changes written", self._tally.changes)

    def _writes(self, form: EventForm, batch: list[MemberChange], before: int, timestamp: str) -> Iterator[Write]:
        prefix = user_key_prefix(self._plan.computation.key)
        for number, change in enumerate(batch, before):
            user: str = orjson.loads(change.user)
            yield Write(self._state.source, user.encode(), form.identify(change, number, timestamp))
            yield Write(self._state.name, user_key(prefix, change.user), change.state)

    def _head_write(self, head: StateHead) -> Write:
        return Write(self._state.name, head_key(self._plan.computation.key), head.encode())


def _present(known: SortedLines) -> Iterator[MemberRow]:
    return (row for row in latest(known) if row.value)

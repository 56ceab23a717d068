"""Backpressure: what is read, by the limits on what is open, and no further ahead than is of use.

Three rules. The whole engine takes nothing while its open events or bytes are at the limit, until half of it. One
partition is not read while it alone has half of the limit (when it is not the only one), a lane that is too long, too
many offsets beyond its watermark, or a commit map that is nearly too long, until each is well below. And nothing is
taken for a moment while the workflows that deliver have plenty to send and what is read would hardly reach another
one: every event that waits is memory that is cold when its turn comes; with the open limits full an event costs half
as much again as with a few hundred waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionState
from stream.engine.workflow import WorkflowState
from stream.model.policies import Limits
from stream.model.ports import Cancel, Scheduler, Source
from stream.model.statistics import EngineStats

LONGEST_MAP = 0.75
"""Of the limit on metadata: the rest is for what is done while the partition is stopped."""
LEAST = 256
"""A workflow has plenty when as many deliveries are ready as it may have requests in flight, and at least so many."""
FEW = 0.125
"""Reading on is of no use for workflows that are short of events when less than this part of what was offered lately
was for them: one that wants a type in a thousand would have the open limits filled with the others' events."""
LATELY = 1_000
"""Deliveries offered to one workflow that are looked back on, about."""
LONGEST_S = 0.8
"""One batch more is taken after each hold of this length in which anything was delivered, since the source would drop
what it fetched ahead. While nothing is delivered it may: there is no telling when it will be wanted."""
LOOK_AGAIN_S = 0.1


class Backpressure:
    """Tells the source what to read, once at the end of each step."""

    def __init__(
        self,
        limits: Limits,
        ledger: Ledger,
        workflows: Sequence[WorkflowState],
        stats: EngineStats,
        source: Source,
        clock: Scheduler,
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._stats = stats
        self._source = source
        self._read_ahead = ReadAhead(workflows, clock)
        self._is_open = True
        """The engine as a whole has room for records."""
        self._intake_is_open = True
        """What the source was last set to."""
        self._stopped: set[PartitionState] = set()
        self._is_changed = False

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on."""
        self._limits = limits

    def note_intake(self) -> None:
        """Records were taken: whether that is enough for now is looked at when the step ends."""
        self._read_ahead.has_grown = True

    def change_partitions(self) -> None:
        """Partitions were granted, or a record holds one: repeat which are not to be read when the step ends."""
        self._is_changed = True

    def end_step(self, touched: Iterable[PartitionState]) -> None:
        """Records were admitted or settled, of these partitions, and what may start was started."""
        self._limit_engine()
        for partition in touched:
            self._limit_partition(partition)
        intake_is_open = self._is_open and not self._read_ahead.is_enough()
        if intake_is_open != self._intake_is_open:
            self._intake_is_open = intake_is_open
            self._source.set_intake(intake_is_open)
        if self._is_changed:
            self._is_changed = False
            self._name_stopped()

    def _limit_engine(self) -> None:
        limits, events, size = self._limits, self._ledger.open_events, self._stats.open_bytes
        if self._is_open:
            is_open = events < limits.max_open_events and size < limits.max_open_bytes
        else:
            is_open = events * 2 <= limits.max_open_events and size * 2 <= limits.max_open_bytes
        if is_open != self._is_open:
            self._is_open, self._is_changed = is_open, True

    def _limit_partition(self, partition: PartitionState) -> None:
        if partition.is_closed:
            self._stopped.discard(partition)
        elif partition in self._stopped:
            if self._may_resume(partition):
                self._stopped.discard(partition)
                self._is_changed = True
        elif self._must_stop(partition):
            self._stopped.add(partition)
            self._is_changed = True

    def _name_stopped(self) -> None:
        partitions = self._ledger.partitions
        stopped = [tp for tp, p in partitions.items() if p.held_by or p.schema_wait or p in self._stopped]
        self._stats.partitions_paused = len(stopped) if self._is_open else len(partitions)
        self._source.set_stopped(stopped)

    def _must_stop(self, partition: PartitionState) -> bool:
        events, size = self._part()
        return (
            partition.tracker.open_count >= events
            or partition.open_bytes >= size
            or partition.tracker.is_ahead_by(self._limits.max_ahead)
            or self._is_nearly_unstorable(partition)
        )

    def _may_resume(self, partition: PartitionState) -> bool:
        events, size = self._part()
        return (
            partition.tracker.open_count * 2 <= events
            and partition.open_bytes * 2 <= size
            and not partition.tracker.is_ahead_by(self._limits.max_ahead // 2 + 1)
            and not self._is_nearly_unstorable(partition)
        )

    def _is_nearly_unstorable(self, partition: PartitionState) -> bool:
        if partition.commit.map_bytes > LONGEST_MAP * self._limits.metadata_max_bytes:
            return True
        return any(workflow.overfull_lanes for workflow in partition.workflows)

    def _part(self) -> tuple[int, int]:
        """(events, bytes) that one partition may hold open."""
        parts = 2 if len(self._ledger.partitions) > 1 else 1
        return self._limits.max_open_events // parts or 1, self._limits.max_open_bytes // parts


class ReadAhead:
    """Whether enough was read ahead, until one of the workflows that had plenty has half of that."""

    def __init__(self, workflows: Sequence[WorkflowState], clock: Scheduler) -> None:
        self._workflows = workflows
        self._clock = clock
        self.has_grown = False
        """Records were taken since the last look."""
        self._is_held = False
        self._held_at = 0.0
        self._had_plenty: dict[WorkflowState, int] = {}
        """Workflows on whose account nothing is taken, and how much each had delivered when the hold began."""
        self._stuck: dict[WorkflowState, int] = {}
        """Workflows that delivered nothing during a hold, and how much they had delivered before."""
        self._offered: dict[WorkflowState, int] = {}
        """How many deliveries had been offered to each when that was looked at last."""
        self._lately: dict[WorkflowState, float] = {}
        """How many were offered to each of late; all are halved together."""
        self._timer: Cancel | None = None

    def is_enough(self) -> bool:
        """Whether nothing is to be taken for now; at the end of a step."""
        if self._is_held:
            self._is_held = not any(_has_half(workflow) for workflow in self._had_plenty)
        elif self.has_grown:
            self.has_grown = False
            self._count_offered()
            if self._is_sated():
                self._hold()
        return self._is_held

    def _hold(self) -> None:
        self._is_held, self._held_at = True, self._clock.monotonic()
        self._had_plenty = {workflow: _delivered(workflow) for workflow in self._present() if _has_plenty(workflow)}
        if self._timer is None:
            self._timer = self._clock.call_at(self._held_at + LONGEST_S, self._look)

    def _is_sated(self) -> bool:
        """Whether one more batch would be of no use."""
        full = [workflow for workflow in self._present() if _has_plenty(workflow)]
        short = [workflow for workflow in self._present() if not _has_plenty(workflow)]
        if not short:
            return True
        few = sum(self._lately.get(workflow, 0) for workflow in short) < FEW * sum(self._lately.values())
        return few and any(workflow.pace.is_open and not self._is_stuck(workflow) for workflow in full)

    def _is_stuck(self, workflow: WorkflowState) -> bool:
        return self._stuck.get(workflow) == _delivered(workflow)

    def _count_offered(self) -> None:
        """Note what was offered since the last look."""
        offered = {workflow: workflow.dispatcher.offered for workflow in self._present()}
        lately, before = self._lately, self._offered
        self._lately = {w: lately.get(w, 0) + number - before.get(w, 0) for w, number in offered.items()}
        self._offered = offered
        if max(self._lately.values(), default=0) > LATELY:
            self._lately = {workflow: number / 2 for workflow, number in self._lately.items()}

    def _look(self) -> None:
        self._timer = None
        if not self._is_held:
            return
        now, due_at = self._clock.monotonic(), self._held_at + LONGEST_S
        if now >= due_at and self._may_end():
            self._is_held = False
        else:
            self._timer = self._clock.call_at(max(due_at, now + LOOK_AGAIN_S), self._look)

    def _may_end(self) -> bool:
        """Whether anything was delivered, or a workflow is short of events while those that have plenty are stuck."""
        had_plenty = self._had_plenty.items()
        self._stuck = {workflow: before for workflow, before in had_plenty if before == _delivered(workflow)}
        return len(self._stuck) < len(self._had_plenty) or not self._is_sated()

    def _present(self) -> list[WorkflowState]:
        return [workflow for workflow in self._workflows if not workflow.is_removed]


def _has_plenty(workflow: WorkflowState) -> bool:
    return workflow.ready >= _plenty(workflow)


def _has_half(workflow: WorkflowState) -> bool:
    return workflow.ready * 2 <= _plenty(workflow)


def _plenty(workflow: WorkflowState) -> int:
    return max(LEAST, workflow.pace.concurrency.limit)


def _delivered(workflow: WorkflowState) -> int:
    return workflow.stats.deliveries["delivered"]

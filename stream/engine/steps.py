"""What comes from outside is one step each: a change, and then the one epilogue of every step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from stream.model.ports import Cancel, Scheduler

if TYPE_CHECKING:
    from stream.engine.partition import PartitionState
    from stream.engine.workflow import WorkflowState


class Touched:
    """What a step has changed: the workflows that may have more to start, and the partitions that hold more or less."""

    __slots__ = ("partitions", "workflows")

    def __init__(self) -> None:
        self.workflows: dict[WorkflowState, None] = {}
        self.partitions: dict[PartitionState, None] = {}

    def __bool__(self) -> bool:
        return bool(self.workflows or self.partitions)

    def take_workflows(self) -> list[WorkflowState]:
        """The workflows, which are looked at now."""
        workflows = list(self.workflows)
        self.workflows.clear()
        return workflows

    def take_partitions(self) -> list[PartitionState]:
        """The partitions, which are looked at now."""
        partitions = list(self.partitions)
        self.partitions.clear()
        return partitions

    def workflow(self, workflow: WorkflowState) -> None:
        """Start what may start of this workflow when the step ends."""
        self.workflows[workflow] = None

    def partition(self, partition: PartitionState) -> None:
        """Look at this partition when the step ends."""
        self.partitions[partition] = None


class Steps:
    """Runs every entry into one engine; fulfils `Scheduler`, so that timers are entries as well.

    Within a step nothing is started and nobody is called back: state is changed, and noted in `touched`. `end_step` is
    called once at its end. An entry that is called within a step, such as the answer to a commit, is part of it.
    """

    def __init__(self, clock: Scheduler, end_step: Callable[[], None]) -> None:
        self.touched = Touched()
        self._clock = clock
        self._end_step = end_step
        self._is_running = False

    def run(self, change: Callable[..., None], *arguments: Any) -> None:
        """Make a change as a step of its own, or as part of the present one."""
        if self._is_running:
            change(*arguments)
            return
        self._is_running = True
        try:
            change(*arguments)
            self._end_step()
        finally:
            self._is_running = False

    def entry(self, change: Callable[..., None], *arguments: Any) -> Callable[..., None]:
        """The change as a callback for others."""
        return partial(self.run, change, *arguments)

    def monotonic(self) -> float:
        """The clock's."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """The clock's."""
        return self._clock.wall()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Make a change at monotonic time `when` (seconds), as a step of its own."""
        return self._clock.call_at(when, partial(self.run, callback))

"""What an engine holds at present, for those who ask from outside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from stream.engine.partition import PartitionState
from stream.engine.workflow import WorkflowState
from stream.model.held import MOST_LISTED, GroupHeld, HeldEvent


def group_held(group: str, workflows: Sequence[WorkflowState], partitions: Collection[PartitionState]) -> GroupHeld:
    """The counts, and the entries held longest. O(workflows + partitions + MOST_LISTED)."""
    workflows = [workflow for workflow in workflows if not workflow.is_removed]
    held = [partition for partition in partitions if partition.held_by is not None]
    each = MOST_LISTED // max(1, sum(bool(workflow.held) for workflow in workflows) + bool(held))
    events = [event for partition in islice(held, each) for event in _held_partition(partition)]
    for workflow in workflows:
        events += _held_events(workflow, each)
    owned = islice(partitions, MOST_LISTED)
    read_up_to = {f"{one.tp.topic}:{one.tp.partition}": one.tracker.next_expected for one in owned}
    counts = {workflow.policy.name: len(workflow.held) for workflow in workflows}
    return GroupHeld(group, counts, len(held), events, read_up_to)


def _held_events(workflow: WorkflowState, most: int) -> Iterator[HeldEvent]:
    for delivery, hold in islice(workflow.held.items(), most):
        place = delivery.record.place
        yield HeldEvent(workflow.policy.name, place, hold.since, hold.reason, hold.answer, delivery.attempts)


def _held_partition(partition: PartitionState) -> Iterator[HeldEvent]:
    if (hold := partition.held_by) is not None:
        yield HeldEvent(None, hold.record.place, hold.since, hold.because.reason, detail=hold.because.detail)

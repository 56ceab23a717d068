"""What an engine holds at present, for those who ask from outside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from stream.engine.partition import Tenure
from stream.engine.workflow import Line
from stream.model.held import MOST_LISTED, GroupHeld, HeldEvent


def group_held(group: str, lines: Sequence[Line], tenures: Collection[Tenure]) -> GroupHeld:
    """The counts, and the entries held longest. O(workflows + partitions + MOST_LISTED)."""
    lines = [line for line in lines if not line.is_removed]
    held = [tenure for tenure in tenures if tenure.is_held]
    each = MOST_LISTED // max(1, sum(bool(line.held) for line in lines) + bool(held))
    events = [event for tenure in islice(held, each) for event in _held_partition(tenure)]
    for line in lines:
        events += _held_events(line, each)
    owned = islice(tenures, MOST_LISTED)
    read_up_to = {f"{one.tp.topic}:{one.tp.partition}": one.tracker.next_expected for one in owned}
    counts = {line.policy.name: len(line.held) for line in lines}
    return GroupHeld(group, counts, len(held), events, read_up_to)


def _held_events(line: Line, most: int) -> Iterator[HeldEvent]:
    for delivery, hold in islice(line.held.items(), most):
        place = delivery.open_event.event.record.place
        yield HeldEvent(line.policy.name, place, hold.since, hold.reason, hold.answer, delivery.attempts)


def _held_partition(tenure: Tenure) -> Iterator[HeldEvent]:
    record, invalid = tenure.held_record, tenure.held_because
    if record is not None and invalid is not None:
        yield HeldEvent(None, record.place, tenure.held_since, invalid.reason, detail=invalid.detail)

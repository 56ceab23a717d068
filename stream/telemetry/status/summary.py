"""The whole process in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from stream.model.amounts import counted, short
from stream.telemetry.status.report import GroupStatus, ProcessStatus, State


class Severity(StrEnum):
    """How urgent it is."""

    GOOD = "good"
    NOTICE = "notice"
    BAD = "bad"


class Summary(NamedTuple):
    """What somebody who looks for a second is to see."""

    severity: Severity
    sentence: str


def summarize(status: ProcessStatus) -> Summary:
    """The most urgent state and what it is about."""
    groups, workflows = status.groups, status.workflows
    if cut_off := [group for group in groups if group.members_cut_off]:
        known = any(group.last_contact_at is not None for group in cut_off)
        what = "Kafka is unreachable" if known else "Kafka has not answered yet"
        return Summary(Severity.BAD, f"{what}. Events wait on the topic.")
    of = {state: [one.workflow for one in workflows if one.state is state] for state in State}
    if failing := of[State.FAILING]:
        return Summary(Severity.BAD, f"{_some(failing, len(workflows))} failing.")
    if halted := sum(group.partitions_halted for group in groups):
        return Summary(Severity.BAD, f"{_partitions(halted)} halted: records are gone before they were read.")
    if held := sum(group.partitions_held for group in groups):
        return Summary(Severity.BAD, f"{_partitions(held)} held: records are not valid events.")
    if waiting := sum(group.partitions_awaiting_schema for group in groups):
        return Summary(Severity.BAD, f"{_partitions(waiting)} waiting: the Schema Registry does not answer.")
    if of[State.HELD]:
        return Summary(Severity.BAD, f"{_some(of[State.HELD], len(workflows))} held.")
    if any(not group.partitions_assigned for group in groups):
        return Summary(Severity.NOTICE, "No partition is assigned; nothing is read.")
    if status.workers_up < status.workers:
        return Summary(Severity.NOTICE, f"{status.workers_up} of {status.workers} workers are running.")
    if paused := of[State.PAUSED]:
        return Summary(Severity.NOTICE, f"{_some(paused, len(workflows))} paused.")
    return Summary(Severity.GOOD, _all_well(len(workflows)))


def total_lag(groups: Sequence[GroupStatus]) -> str:
    """What is known of it, `+?` where there is more; `?`: nothing is known."""
    known = [group.lag for group in groups if group.lag is not None]
    more = "+?" if len(known) < len(groups) else ""
    return f"{short(sum(known))}{more}" if known else "?"


def _some(names: Sequence[str], of: int) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names)} of {of} workflows are"


def _partitions(count: int) -> str:
    return f"{counted(count, 'partition')} {'is' if count == 1 else 'are'}"


def _all_well(workflows: int) -> str:
    return "All is well." if workflows < 2 else f"All {workflows} workflows deliver."

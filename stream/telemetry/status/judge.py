"""The state of a workflow, from its numbers."""

from __future__ import annotations

from typing import NamedTuple

from stream.model.statistics import WorkflowStats
from stream.telemetry.status.report import State

FAILING_AFTER_S = 3.0
"""A workflow is failing before its gate closes when nothing else than failures came for so long."""


class Judgement(NamedTuple):
    """A state, since when (Unix seconds; None: unknown) and why."""

    state: State
    since: float | None = None
    because: str = ""


def judge(stats: WorkflowStats, wall: float) -> Judgement:
    """How the workflow is at `wall` (Unix seconds)."""
    if stats.paused:
        return Judgement(State.PAUSED)
    closed_since, failing_since = stats.gate_closed_since, stats.failing_since
    if closed_since is not None and stats.gate_is_held:
        return Judgement(State.HELD, closed_since, "dead letters in a row without a delivery")
    if closed_since is not None:
        since = closed_since if failing_since is None else min(failing_since, closed_since)
        return Judgement(State.FAILING, since, stats.failing_because)
    has_work = stats.waiting or stats.in_flight
    if failing_since is not None and has_work and wall - failing_since >= FAILING_AFTER_S:
        return Judgement(State.FAILING, failing_since, stats.failing_because)
    if stats.held:
        events = "1 event ends badly and is" if stats.held == 1 else f"{stats.held} events end badly and are"
        return Judgement(State.HELD, stats.held_since, f"{events} not given up")
    return Judgement(State.DELIVERING)


def sentence(workflow: str, judgement: Judgement) -> str:
    """The state as a sentence about the workflow."""
    because = f": {judgement.because}" if judgement.because else ""
    match judgement.state:
        case State.FAILING:
            return f"{workflow} is failing{because}."
        case State.HELD:
            return f"{workflow} is held{because}."
        case State.PAUSED:
            return f"{workflow} is paused."
        case State.DELIVERING:
            return f"{workflow} delivers."

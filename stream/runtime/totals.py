"""What the log says of an engine's numbers: the totals at the end, and what a run that ends by itself waits for."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from stream.model.events import FilterReason, Settlement
from stream.model.statistics import EngineStats, WorkflowStats
from stream.model.timeparse import format_wall

Fields: TypeAlias = dict[str, object]


def settled_fields(stats: EngineStats) -> Fields:
    """What became of the events, and why workflows did not want some."""
    ends: Counter[str] = Counter()
    for (_, settlement), count in stats.settled.items():
        ends[settlement] += count
    reasons = filter_reasons(stats)
    return {
        "delivered": ends[Settlement.DELIVERED],
        "filtered": ends[Settlement.FILTERED],
        **({"filtered_by": reasons} if reasons else {}),
        "dead_letters": stats.dead_letter_writes["ok"],
    }


def total_fields(stats: EngineStats) -> Fields:
    """Everything that was received, and where it is now."""
    received, _ = stats.identity()
    avoided, abandoned = (
        sum(count for (_, settlement), count in stats.settled.items() if settlement == wanted)
        for wanted in (Settlement.AVOIDED, Settlement.ABANDONED)
    )
    still = {"avoided": avoided, "open": stats.open_events.total(), "abandoned": abandoned}
    return {"received": received, **settled_fields(stats), **still}


def filter_reasons(stats: EngineStats) -> str:
    """`type 70, event 7`, of each workflow where there are several; empty when nothing was filtered."""
    several = len(stats.workflows) > 1
    parts = [
        (f"{name}: " if several else "") + ", ".join(f"{reason} {count}" for reason, count in found.items())
        for name, workflow in stats.workflows.items()
        if (found := {reason: count for reason, count in workflow.filtered.items() if count})
    ]
    if stats.tombstones:
        parts.append(f"{FilterReason.TOMBSTONE} {stats.tombstones}")
    return "; ".join(parts) if several else ", ".join(parts)


def waiting_fields(stats: EngineStats, wall: float) -> list[Fields]:
    """What a run waits for; `wall` is Unix time in seconds.

    Of each workflow with events to deliver: how many, and since when it fails. Where there is none: how many events are
    open for another reason, such as dead letters that Kafka does not take, and how many are not read.
    """
    delivering: list[Fields] = [
        {"workflow": name, "events": events, **_gate_fields(workflow, wall)}
        for name, workflow in stats.workflows.items()
        if (events := workflow.waiting + workflow.in_flight)
    ]
    return delivering or [{"open": stats.open_events.total(), "lag": sum(stats.lag().values())}]


def _gate_fields(workflow: WorkflowStats, wall: float) -> Fields:
    if workflow.paused:
        return {"paused": True}
    since, until = workflow.gate_closed_since, workflow.gate_closed_until
    if since is None or until is None:
        return {}
    return {"failing_since": format_wall(since), "next_probe_in_s": round(max(0.0, until - wall), 1)}

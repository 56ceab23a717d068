"""Everything that is known of one workflow, and the orders in which the workflows can be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.text import Text

from stream.model.amounts import short, span
from stream.model.printable import printable
from stream.telemetry.status.report import TREND_EVERY_S, State, WorkflowStatus
from stream.top.columns import COLUMNS
from stream.top.trend import sparkline

Order = Callable[[WorkflowStatus], float]

ORDERS: tuple[tuple[str, Order | None], ...] = (
    ("as configured", None),
    ("fastest first", lambda one: -(one.delivered_per_s or 0.0)),
    ("oldest event first", lambda one: one.oldest_open_at or float("inf")),
    ("most failures first", lambda one: -sum(one.failing.values())),
    ("most waiting first", lambda one: -one.waiting),
)
"""Words for an order, and what it sorts by."""
_LABEL = 14


def detail(one: WorkflowStatus, now: float, width: int, bars: str) -> Iterator[Text]:
    """Lines of one workflow, at a time (Unix seconds)."""
    yield Text(f"workflow {printable(one.workflow)}  group {printable(one.group)}", "bold")
    since = f" for {span(now - one.since)}" if one.since is not None else ""
    because = f": {printable(one.because)}" if one.because else ""
    style = "" if one.state is State.DELIVERING else "yellow" if one.state is State.PAUSED else "red"
    yield Text(f"  {one.state}{since}{because}", style)
    for column in COLUMNS:
        if column.title != "failing":
            yield Text(f"  {column.title:<{_LABEL}}").append_text(column.cell(one, now))
    yield Text("  failing, by answer in the last minute:")
    for code, count in one.failing.items():
        yield Text(f"    {printable(code):<{_LABEL}}{short(count)}", "red")
    if not one.failing:
        yield Text("    nothing")
    if any(one.trend):
        yield Text(f"  delivered, last {span(len(one.trend) * TREND_EVERY_S)}")
        yield Text("  " + sparkline(one.trend, min(len(one.trend), width - 2), bars), "cyan")

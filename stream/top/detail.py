"""Everything that is known of one workflow, and the orders in which the workflows can be shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from rich.text import Text

from stream.model.printable import printable
from stream.top.columns import COLUMNS
from stream.top.reading import WorkflowReading
from stream.top.trend import sparkline
from stream.top.words import short

Order = Callable[[WorkflowReading], float]

ORDERS: tuple[tuple[str, Order | None], ...] = (
    ("as configured", None),
    ("fastest first", lambda one: -(one.delivered_per_s or 0.0)),
    ("oldest event first", lambda one: one.oldest_open_at or float("inf")),
    ("most failures first", lambda one: -sum(one.failing.values())),
    ("most waiting first", lambda one: -one.waiting),
)
"""Words for an order, and what it sorts by."""
_LABEL = 14


def detail(one: WorkflowReading, now: float, trend: Collection[float], width: int, bars: str) -> Iterator[Text]:
    """Lines of one workflow, at a time (Unix seconds)."""
    yield Text(f"workflow {printable(one.workflow)}  group {printable(one.group)}", "bold")
    for column in COLUMNS:
        if column.title != "failing":
            yield Text(f"  {column.title:<{_LABEL}}").append_text(column.cell(one, now))
    yield Text("  failing, by answer in the last minute:")
    for code, count in one.failing.items():
        yield Text(f"    {printable(code):<{_LABEL}}{short(count)}", "red")
    if not one.failing:
        yield Text("    nothing")
    if trend:
        yield Text("  delivered")
        yield Text("  " + sparkline(trend, min(len(trend), width - 2), bars), "cyan")

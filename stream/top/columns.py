"""What is shown of a workflow: a row with the columns that a width has room for, or everything, alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from stream.model.amounts import NONE, latency, rate, short, span
from stream.model.printable import printable
from stream.telemetry.status.report import TREND_EVERY_S, State, WorkflowStatus


@dataclass(frozen=True)
class Column:
    """One column. `rank` 0 is always shown; of the others those with the lowest ranks, as far as the width goes."""

    title: str
    width: int
    rank: int
    cell: Callable[[WorkflowStatus, float], Text]
    """The text for a workflow, at a time (Unix seconds)."""


def chosen(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit, in their own order; a blank lies before each."""
    kept: list[Column] = []
    for column in sorted(columns, key=lambda column: column.rank):
        width -= column.width + 1
        if width < 0 and column.rank:
            break
        kept.append(column)
    return [column for column in columns if column in kept]


def name_width(readings: Iterable[WorkflowStatus], most: int) -> int:
    """Room for the longest name, within reason."""
    return min(most, max((len(reading.workflow) for reading in readings), default=0))


def plain(text: Callable[[WorkflowStatus], str]) -> Callable[[WorkflowStatus, float], Text]:
    """A cell without a colour of its own."""
    return lambda reading, _now: Text(text(reading))


def _gate(reading: WorkflowStatus, now: float) -> Text:
    """`open`; `shut 3m04s>5s`: closed for so long, and so long until the next probe; `1/4 shut`: of one worker."""
    if reading.state is State.PAUSED:
        return Text("paused", "yellow")
    if not reading.gates_closed:
        return Text("open", "green")
    until = f">{span(reading.gate_closed_until - now)}" if reading.gate_closed_until else ""
    if reading.gates_closed < reading.gates:
        return Text(f"{reading.gates_closed}/{reading.gates} shut{until}", "red")
    since = span(now - reading.gate_closed_since) if reading.gate_closed_since else ""
    return Text(f"shut {since}{until}", "red")


def _counted(count: int, per_s: float | None = None, style: str = "red") -> Text:
    text = short(count) if per_s is None else rate(per_s)
    return Text(text, style if count and text != "0" else "")


def _oldest(reading: WorkflowStatus, now: float) -> Text:
    return Text(span(now - reading.oldest_open_at) if reading.oldest_open_at else NONE)


def _last(reading: WorkflowStatus, now: float) -> Text:
    return Text(span(now - reading.last_delivery_at) if reading.last_delivery_at else NONE)


def _failing(reading: WorkflowStatus, _now: float) -> Text:
    """The commonest failure of the last minute."""
    code, count = next(iter(reading.failing.items()), ("", 0))
    return Text(f"{printable(code)} x{short(count)}" if code else NONE, "red" if code else "")


COLUMNS = (
    Column("done/s", 6, 0, plain(lambda one: rate(one.delivered_per_s))),
    Column("p50", 6, 7, plain(lambda one: latency(one.p50_s))),
    Column("p99", 6, 1, plain(lambda one: latency(one.p99_s))),
    Column("flight", 7, 6, plain(lambda one: f"{short(one.in_flight)}/{short(one.concurrency_limit)}")),
    Column("gate", 14, 0, _gate),
    Column("retry/s", 7, 3, lambda one, _now: _counted(one.retries, one.retries_per_s, "yellow")),
    Column("dead", 6, 4, lambda one, _now: _counted(one.dead_letters)),
    Column("oldest", 6, 5, _oldest),
    Column("held", 5, 8, lambda one, _now: _counted(one.held)),
    Column("waiting", 7, 9, plain(lambda one: short(one.waiting))),
    Column("failing", 12, 2, _failing),
    Column("last ok", 7, 10, _last),
    Column("done", 8, 11, plain(lambda one: short(one.delivered))),
    Column("filtered", 8, 12, plain(lambda one: short(one.filtered))),
)
"""All but the name and the trend, which take what is left."""
FURTHER = 10
"""Columns from this rank on come after the trend."""


BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = ".:-=+*#@"
"""For terminals that cannot show the others."""


def sparkline(values: Iterable[float], width: int, bars: str = BARS) -> str:
    """The last `width` values, the largest of them as the highest bar; nothing at all is a blank."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    return "".join(_bar(value, top, bars) for value in shown).rjust(width)


def _bar(value: float, top: float, bars: str) -> str:
    if value <= 0 or top <= 0:
        return " "
    return bars[min(len(bars) - 1, int(value / top * len(bars)))]


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

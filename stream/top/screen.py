"""What `top` shows, laid out for the room there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from stream.model.amounts import rate, short, size, span
from stream.model.printable import printable
from stream.model.timeparse import format_wall
from stream.telemetry.status.merging import summed_trends
from stream.telemetry.status.report import (
    TREND_EVERY_S,
    TREND_POINTS,
    PartitionStatus,
    ProcessStatus,
    WorkflowStatus,
)
from stream.telemetry.status.summary import total_lag
from stream.top.columns import BARS, COLUMNS, FURTHER, ORDERS, PLAIN_BARS, Column, chosen, detail, name_width, sparkline
from stream.top.outages import outages, token_trouble

ESCAPE = "\x1b"
"""The key, as a terminal sends it."""
NARROW_NAME, WIDE_NAME = 12, 32
WIDE = 100
TREND_LEAST, TREND_MOST = 12, TREND_POINTS


@dataclass
class Screen:
    """The whole view; laid out anew each time it is drawn, so that it follows the terminal's size."""

    url: str
    interval: str
    """Between two looks, as people write it."""
    wall: Callable[[], float]
    """Unix time in seconds; asked at each drawing, so that ages grow between two looks."""
    reading: ProcessStatus | None = None
    fault: str = ""
    """Why the last look brought nothing; empty when it did."""
    order: int = 0
    """Which of `ORDERS` the workflows are in."""
    chosen: int | None = None
    """The workflow, by its row, that is shown alone; None: all of them."""
    is_paused: bool = False
    is_live: bool = True
    """Fit into the terminal's height, and say how to end."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = console.size.height if self.is_live else 1_000_000
        bars = BARS if "utf" in console.encoding.lower() else PLAIN_BARS
        for line in list(self.lines(min(options.max_width, 400), height, bars))[:height]:
            line.no_wrap, line.overflow = True, "crop"
            yield line

    def lines(self, width: int, height: int, bars: str = BARS) -> Iterator[Text]:
        """Every line, at most `height`: the workflows first, then as many partitions as there is room for."""
        reading = self.reading
        head = [self._title(), *self._faults()]
        if reading is None:
            yield from head
            return
        head += [*outages(reading.groups, self.wall()), *token_trouble(reading, self.wall())]
        head += [*self._totals(reading, width, bars), *_alarms(reading)]
        if self.chosen is not None and self.chosen < len(reading.workflows):
            one = self._ordered(reading)[self.chosen]
            yield from (*head, Text(), *detail(one, self.wall(), width, bars), self._footer())
            return
        workflows = list(self._workflows(reading, width, bars))
        footer = [self._footer()] if self.is_live else []
        room = height - len(head) - len(workflows) - len(footer) - 2
        partitions = list(_partitions(reading, width, room - 1)) if room >= 2 else []
        yield from head
        yield Text()
        yield from _cut(workflows, max(2, height - len(head) - len(footer) - 1))
        if partitions:
            yield Text()
            yield from partitions
        yield from footer

    def press(self, key: str) -> None:
        """Change what is shown: `s` sorts, `p` pauses, a digit shows the workflow of that row, Escape all again."""
        if key == "s":
            self.order = (self.order + 1) % len(ORDERS)
        elif key == "p":
            self.is_paused = not self.is_paused
        elif key.isascii() and key.isdecimal():
            row = (int(key) - 1) % 10
            self.chosen = None if self.chosen == row else row
        elif key == ESCAPE:
            self.chosen = None

    def _ordered(self, reading: ProcessStatus) -> Sequence[WorkflowStatus]:
        by = ORDERS[self.order][1]
        return reading.workflows if by is None else sorted(reading.workflows, key=by)

    def _title(self) -> Text:
        version = f" {printable(self.reading.version)}" if self.reading else ""
        clock = f"{format_wall(self.wall())[-13:-5]} UTC"
        return Text(f"tray-stream{version}", "bold").append(
            f"  {printable(self.url)}  {clock}  every {self.interval}", "dim"
        )

    def _faults(self) -> Iterator[Text]:
        if self.fault:
            age = f" Shown: {span(self.wall() - self.reading.at)} ago." if self.reading else ""
            yield Text(f"No status: {self.fault}. Trying again.{age}", "bold red")

    def _totals(self, reading: ProcessStatus, width: int, bars: str) -> Iterator[Text]:
        """One line, and the trend behind it, or below it where the width has no room."""
        line = Text(_summary(reading))
        if reading.workers:
            style = "" if reading.workers_up == reading.workers else "red"
            line.append("  ").append(f"workers {reading.workers_up}/{reading.workers}", style)
        room = min(TREND_MOST, width - line.cell_len - 2)
        trend = summed_trends([one.trend for one in reading.workflows])
        if not any(trend) or room >= TREND_LEAST:
            yield line.append("  ").append(sparkline(trend, room, bars).strip(), "cyan")
            return
        yield line
        yield Text(sparkline(trend, min(TREND_MOST, width), bars).strip(), "cyan")

    def _workflows(self, reading: ProcessStatus, width: int, bars: str) -> Iterator[Text]:
        columns, names, trend = _layout(reading, width)
        header = Text("workflow".ljust(names), "bold")
        for column in columns:
            header.append(" " + column.title.rjust(column.width))
        yield header.append(f"  delivered, last {span(trend * TREND_EVERY_S)}" if trend else "")
        for one in self._ordered(reading):
            yield self._workflow(one, columns, names, trend, bars)

    def _workflow(self, one: WorkflowStatus, columns: Sequence[Column], names: int, trend: int, bars: str) -> Text:
        line = Text(_fitted(one.workflow, names).ljust(names), "red" if one.gates_closed or one.held else "")
        for column in columns:
            cell = column.cell(one, self.wall())
            cell.truncate(column.width, overflow="ellipsis")
            line.append(" " * (1 + column.width - cell.cell_len)).append_text(cell)
        if trend:
            line.append("  ").append(sparkline(one.trend, trend, bars), "cyan")
        return line

    def _footer(self) -> Text:
        order = f" ({ORDERS[self.order][0]})" if self.order else ""
        paused = Text("paused  ", "bold yellow") if self.is_paused else Text()
        return paused.append(f"q quit  s sort{order}  p pause  1-9 one, Esc all  shut a>b: for a, probe in b", "dim")


def _cut(workflows: Sequence[Text], room: int) -> Iterator[Text]:
    """As many of the lines as there is room for; how many are left out is said in the last one."""
    if len(workflows) <= room:
        yield from workflows
        return
    yield from workflows[: room - 1]
    yield Text(f"… and {len(workflows) - room + 1} workflows more", "dim")


def _summary(reading: ProcessStatus) -> str:
    groups = reading.groups
    received = [group.received_per_s for group in groups if group.received_per_s is not None]
    delivered = [one.delivered_per_s for one in reading.workflows if one.delivered_per_s is not None]
    parts = (
        f"received {rate(sum(received) if received else None)}/s",
        f"delivered {rate(sum(delivered) if delivered else None)}/s",
        f"open {short(sum(group.open_events for group in groups))} ({size(sum(group.open_bytes for group in groups))})",
        f"lag {total_lag(groups)}",
    )
    paused = sum(group.partitions_paused for group in groups)
    return "  ".join(parts) + (f"  paused {paused}" if paused else "")


def _layout(reading: ProcessStatus, width: int) -> tuple[list[Column], int, int]:
    """(columns, width of the names, width of the trends or 0)."""
    names = max(len("workflow"), name_width(reading.workflows, NARROW_NAME if width < WIDE else WIDE_NAME))
    columns = chosen([column for column in COLUMNS if column.rank < FURTHER], width - names)
    if _left(columns, names, width) >= TREND_LEAST:
        columns = chosen(COLUMNS, width - names - TREND_LEAST - 2)
    left = _left(columns, names, width)
    return columns, names, min(TREND_MOST, left) if left >= TREND_LEAST else 0


def _left(columns: Sequence[Column], names: int, width: int) -> int:
    return width - names - sum(column.width + 1 for column in columns) - 2


def _alarms(reading: ProcessStatus) -> Iterator[Text]:
    """One line of what is never well, when there is any of it."""
    groups = reading.groups
    counts = {
        "partitions halted: records that were to be read are gone": sum(group.partitions_halted for group in groups),
        "partitions held: their records are not valid events": sum(group.partitions_held for group in groups),
        "partitions waiting for the Schema Registry": sum(group.partitions_awaiting_schema for group in groups),
        "records lost before they were read": sum(group.records_lost for group in groups),
        "commits refused": sum(group.commits_failed for group in groups),
        "dead letters not written": reading.letters_failed,
        "reloads refused": reading.reloads_failed,
    }
    parts = [f"{short(count)} {what}" for what, count in counts.items() if count]
    if parts:
        yield Text("  ".join(parts), "bold red")


def _partitions(reading: ProcessStatus, width: int, room: int) -> Iterator[Text]:
    """A line of titles and at most `room` more: the partitions that lag most, side by side where the width allows."""
    extra = (len(reading.groups) > 1, reading.workers > 0)
    if not reading.partitions:
        return
    found = reading.partitions
    title = _cells(("partition", "lag", "done/s", "committed", "group", "worker"), extra)
    blocks = max(1, width // len(title))
    shown = found[: room * blocks] if len(found) <= room * blocks else found[: max(0, room - 1) * blocks]
    rows = -(-len(shown) // blocks)
    yield Text(title * min(blocks, max(1, len(shown))), "bold")
    for row in range(rows):
        line = Text()
        for one in shown[row::rows]:
            line.append(_partition(one, extra), "yellow" if one.lag else "")
        yield line
    if len(found) > len(shown):
        yield Text(f"… and {len(found) - len(shown)} partitions with less lag", "dim")


def _partition(one: PartitionStatus, extra: tuple[bool, bool]) -> str:
    committed = "-" if one.committed is None else str(one.committed)
    place = f"{one.topic}:{one.partition}"
    return _cells(
        (
            place,
            "?" if one.lag is None else short(one.lag),
            rate(one.committed_per_s),
            committed,
            one.group,
            one.worker,
        ),
        extra,
    )


def _cells(texts: tuple[str, str, str, str, str, str], extra: tuple[bool, bool]) -> str:
    """One partition's cells; the last two, group and worker, where there are several."""
    place, lag, per_s, committed, group, worker = texts
    text = f"{_fitted(place, 17).ljust(17)} {lag:>7} {per_s:>6} {committed:>10}"
    text += f" {_fitted(group, 14):>14}" * extra[0] + f" {printable(worker):>6}" * extra[1]
    return text + "   "


def _fitted(text: str, width: int) -> str:
    """The end of a name tells it from others more often than its beginning."""
    text = printable(text)
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]

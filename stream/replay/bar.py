"""How far a replay is, on standard error: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console, RenderableType
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from stream.replay.meter import Meter
from stream.replay.run import ReplayState

LINE_EVERY_S = 10.0

Show = Callable[[ReplayState], None]


@contextmanager
def shown_progress(
    title: str, unit: str, total: int, console: Console | None = None, line_every_s: float = LINE_EVERY_S
) -> Iterator[tuple[Show, TextIO]]:
    """Shows each state that it is told, and gives the stream for other lines, which come above the bar."""
    console = console or Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _Lines(title, unit, total, line_every_s).show, sys.stderr
        return
    with _Bar(console) as bar:
        yield bar.start_showing(title, unit, total), cast(TextIO, FileProxy(console, sys.stderr))


class _Bar(Progress):
    """One bar, and below it what keeps workflows back."""

    def __init__(self, console: Console) -> None:
        self._troubles: tuple[str, ...] = ()  # the base class draws already
        columns = ("[progress.description]{task.description}", "{task.fields[count]}", "{task.fields[rate]}")
        texts = [TextColumn(column) for column in columns]
        left = TextColumn("{task.fields[left]}")
        super().__init__(texts[0], BarColumn(), TaskProgressColumn(), *texts[1:], left, console=console, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar's row and the troubles."""
        yield self.make_tasks_table(self.tasks)
        for trouble in self._troubles:
            yield Text(f"  {trouble}", style="yellow")

    def start_showing(self, title: str, unit: str, total: int) -> Show:
        """A function that takes the state to be shown."""
        meter = Meter()
        task = self.add_task(title, total=total, count="", rate="", left="")

        def show(state: ReplayState) -> None:
            work = state.work(total)
            meter.note(time.monotonic(), work, state.events)
            self._troubles = state.troubles
            done, of = (sum(numbers) for numbers in zip(*work.values(), strict=True))
            count, rate, left = _count(state, unit), _rate(meter), _left(meter)
            self.update(task, completed=done, total=of, count=count, rate=rate, left=left)

        return show


class _Lines:
    def __init__(self, title: str, unit: str, total: int, every_s: float) -> None:
        self._every_s = every_s
        self._title = title
        self._unit = unit
        self._total = total
        self._meter = Meter()
        self._due_at = time.monotonic() + every_s

    def show(self, state: ReplayState) -> None:
        """Print a line when it is time for one."""
        now, meter = time.monotonic(), self._meter
        meter.note(now, state.work(self._total), state.events)
        if now < self._due_at:
            return
        self._due_at = now + self._every_s
        done = f"{state.offsets:,} of {self._total:,} offsets"
        parts = [done, _count(state, self._unit), _rate(meter), _left(meter), *state.troubles]
        print(f"{self._title}: {', '.join(part for part in parts if part)}", file=sys.stderr, flush=True)


def _count(state: ReplayState, unit: str) -> str:
    """How many are sent, and of how many: an estimate until the whole range is read."""
    expected = sum(state.expected.values())
    of = f" of {'' if state.is_read else 'about '}{expected:,}" if expected else ""
    return f"{state.events:,}{of} {unit}"


def _rate(meter: Meter) -> str:
    return "" if meter.events_per_s is None else f"{meter.events_per_s:,.0f}/s"


def _left(meter: Meter) -> str:
    if meter.left_s is None:
        return ""
    minutes, seconds = divmod(round(meter.left_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} left"

"""The progress bar of a replay or redrive, or a line every few seconds where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO, cast

from rich.console import Console, RenderableType
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from stream.replay.run import ReplayState, Work

LINE_EVERY_S = 10.0

Show = Callable[[ReplayState], None]

WINDOW_S = 15.0
"""Speeds are those of the last so many seconds."""
_LEAST_S = 1.0
"""Before that nothing is said."""


class _Mark(NamedTuple):
    at: float
    work: Work
    events: int


class Meter:
    """Told now and then how far the work is. Time is monotonic seconds."""

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()

    def note(self, now: float, work: Work, events: int) -> None:
        """So much is done by now, and so many events have been sent."""
        self._marks.append(_Mark(now, work, events))
        while now - self._marks[0].at > WINDOW_S:
            self._marks.popleft()

    @property
    def events_per_s(self) -> float | None:
        """Events a second; None while it is too early to say."""
        passed = self._passed_s
        return None if passed < _LEAST_S else (self._marks[-1].events - self._marks[0].events) / passed

    @property
    def left_s(self) -> float | None:
        """Seconds until the last is done at its speed; None while it is too early to say, or while one stands still."""
        if self._passed_s < _LEAST_S:
            return None
        first, last, longest = self._marks[0], self._marks[-1], 0.0
        for name, (done, total) in last.work.items():
            faster = done - first.work.get(name, (0, 0))[0]
            if total > done and faster <= 0:
                return None
            if total > done:
                longest = max(longest, (total - done) * self._passed_s / faster)
        return longest

    @property
    def _passed_s(self) -> float:
        return self._marks[-1].at - self._marks[0].at if self._marks else 0.0


@contextmanager
def shown_progress(
    title: str, unit: str, total: int, console: Console | None = None, line_every_s: float = LINE_EVERY_S
) -> Iterator[tuple[Show, TextIO]]:
    """Shows each state passed to it, and gives the stream for other lines, which come above the bar."""
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

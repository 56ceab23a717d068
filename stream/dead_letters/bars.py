"""Progress of the commands for dead letters, on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from stream.dead_letters.redrive import Watch
from stream.dead_letters.run import LetterRun


@contextmanager
def shown_count(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of how many are done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def shown_runs() -> Iterator[tuple[Watch, TextIO]]:
    """Shows each workflow's part of a redrive, and gives the stream for other lines, which come above the bars."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _silent, sys.stderr
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[trouble]}", style="yellow"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Bars(bar).watch, cast(TextIO, FileProxy(console, sys.stderr))


class _Bars:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def watch(self, runs: Sequence[LetterRun]) -> None:
        for run in runs:
            if run.name not in self._tasks:
                self._tasks[run.name] = self._bar.add_task(f"→ {run.name}", total=run.total, rate="", trouble="")
            task = self._tasks[run.name]
            speed = self._bar.tasks[task].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            self._bar.update(task, completed=run.ended, rate=rate, trouble=_trouble(run))


def _trouble(run: LetterRun) -> str:
    if run.is_held:
        return "too many failed in a row: the rest is left alone"
    if run.stats.workflows[run.name].gate_closed_since is not None:
        return "the workflow is failing: its gate is closed, only probes are sent"
    return ""


def _silent(_runs: Sequence[LetterRun]) -> None:
    """Nobody watches."""

"""What the user sees of a sync: its progress, and its counts at the end."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from stream.audience.state_topic import SUFFIX
from stream.audience.sync import SyncOutcome, SyncPlan, SyncProgress
from stream.model.printable import printable

Counts = dict[str, int | float]

_LABELS = {
    "read": "rows read",
    "duplicates": "duplicates, sent once",
    "blank": "blank ids, skipped",
    "bad": "bad rows, skipped",
    "conflicting": "conflicting values, last one taken",
    "left_alone": "not in the file, left alone",
    "peak_memory_mib": "peak memory, MiB",
}


@contextmanager
def shown_progress() -> Iterator[SyncProgress]:
    """Shows how far the sync is on standard error, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _silent
        return
    columns = (SpinnerColumn(), TextColumn("{task.fields[count]:,} {task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("rows read", total=None, count=0)
        yield lambda step, count: bar.update(task, description=step, count=count)


def _silent(step: str, count: int) -> None:
    """Nobody watches."""


def about(plan: SyncPlan, topic: str) -> dict[str, object]:
    """What was synced, and where to."""
    found = plan.computation
    return {
        "kind": found.kind,
        "name": found.name,
        "key": found.key,
        "computation_id": found.id,
        "topic": topic,
        "state_topic": topic + SUFFIX,
        "dry_run": plan.dry_run,
    }


def all_counts(plan: SyncPlan, outcome: SyncOutcome, seconds: float) -> Counts:
    """What came of it; a trait's counts differ from an audience's."""
    intake, tally = outcome.intake, outcome.tally
    counts: Counts = {
        "read": intake.read,
        "duplicates": outcome.duplicates,
        "blank": intake.blank,
        "bad": intake.bad,
        "added": tally.added,
    }
    if plan.removes:
        counts |= {"removed": tally.removed, "unchanged": tally.unchanged}
    else:
        counts |= {
            "conflicting": outcome.conflicts,
            "changed": tally.changed,
            "unchanged": tally.unchanged,
            "left_alone": tally.left_alone,
        }
    return counts | {"events": tally.changes, "seconds": round(seconds, 2), "peak_memory_mib": _peak_memory_mib()}


def _peak_memory_mib() -> int:
    """Of this program alone: on Linux, getrusage counts that of the process that started it as well."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(peak_kib) / 1024)


def print_table(console: Console, plan: SyncPlan, counts: Counts) -> None:
    """The counts for people."""
    labels = _LABELS | {"events": "events that a sync would write" if plan.dry_run else "events written"}
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, count in counts.items():
        table.add_row(labels.get(name, name), f"{count:,}")
    found = plan.computation
    title = f"{found.kind.capitalize()} {found.name} ({found.key}){', dry run' if plan.dry_run else ''}"
    console.print(printable(title), markup=False, soft_wrap=True)
    console.print(table)

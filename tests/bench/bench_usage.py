"""What a process and its children have used, as /proc tells; where there is no /proc, nothing is known."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_PEAK = re.compile(r"VmHWM:\s+(\d+)")


class Usage(NamedTuple):
    """CPU seconds and peak memory in KiB."""

    cpu_s: float
    peak_kib: int


def usage_of(pid: int) -> Usage:
    """Of the process and all below it. CPU to the nanosecond, as the scheduler counts it for each living thread."""
    cpu_ns, peak, todo = 0, 0, [pid]
    while todo:
        one = PROC / str(todo.pop())
        try:
            for task in (one / "task").iterdir():
                cpu_ns += int((task / "schedstat").read_text().split()[0])
                todo += map(int, (task / "children").read_text().split())
            peak += _peak_of(one)
        except OSError:  # it ended meanwhile
            continue
    return Usage(cpu_ns / 1e9, peak)


def _peak_of(process: Path) -> int:
    found = _PEAK.search((process / "status").read_text())
    return int(found[1]) if found else 0


def is_known() -> bool:
    """Whether this system tells."""
    return (PROC / str(os.getpid()) / "schedstat").exists()


def resident_mib(pid: int) -> float:
    """Memory that a process has at the moment, its children not counted; 0.0 where nothing is known."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

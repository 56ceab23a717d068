"""Which core runs what: the measured program has one to itself, broker and endpoint share another."""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.http import sender


def _allowed() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


ALLOWED = _allowed()
IS_PINNED = len(ALLOWED) >= 2
"""Whether this machine lets us tell its cores apart, and has two."""


def stay_off_the_programs_core() -> None:
    """Move this process, and whatever it starts from now on, to the core of broker and endpoint."""
    if IS_PINNED:
        os.sched_setaffinity(0, {ALLOWED[1]})


@contextmanager
def programs_core(*, has_all: bool = False) -> Iterator[None]:
    """What is started within runs on the program's core, or all: a child begins where the thread is that starts it."""
    if not IS_PINNED:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(ALLOWED) if has_all else {ALLOWED[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end_in_order() -> None:
    """Let SIGTERM end this program as an exception does, so that all that it has started is ended, too.

    A second one is ignored: make and `timeout` send it to the whole group, and it would break that off.
    """

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit("Ended by SIGTERM.")

    signal.signal(signal.SIGTERM, end)


def load() -> float:
    """How many processes wanted to run, on the average of the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """The machine in words: cores and model of the processor, system, Python, build of the program."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    pinned = "program on one core, broker and endpoint on another" if IS_PINNED else "not pinned to cores"
    build = "plain" if sender.__file__.endswith(".py") else "hot path compiled"
    python = f"Python {platform.python_version()}, {build}"
    return f"{os.cpu_count()} cores ({model or platform.machine()}), {platform.system()}, {python}; {pinned}"

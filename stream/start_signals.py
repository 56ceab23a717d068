"""Signals that come before an event loop takes them over. Imports next to nothing, since it is the first to run.

Without a handler the kernel drops SIGTERM for process 1 of a container, and SIGHUP ends any other process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType

RELOADS: list[int] = []
"""SIGHUPs that came before the settings could be reloaded."""


def catch_signals(arguments: Sequence[str]) -> None:
    """Until an event loop has its own handlers: `run` ends in order, as nothing has begun; other commands end."""
    if arguments[:1] == ["run"]:
        code = 128 + signal.SIGTERM if "--worker" in arguments else 0  # a worker: stopped alone
        signal.signal(signal.SIGHUP, _note_reload)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: os._exit(code))
    elif os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))


def _note_reload(number: int, _frame: FrameType | None) -> None:
    RELOADS.append(number)

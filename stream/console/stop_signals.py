"""Signals on an event loop: of SIGTERM and SIGINT the first asks for an orderly stop, the second ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Protocol

INTERRUPTED_TWICE = 130


class Stoppable(Protocol):
    """Something that runs until it is asked to stop."""

    def request_stop(self) -> None:
        """Drain, commit, end. May be called again. From the event loop."""


def call_on_signal(number: signal.Signals, callback: Callable[..., None], *arguments: object) -> None:
    """From now on, on the running event loop, once for each signal. The loop is one that every signal wakes up.

    uvloop's own handlers are called twice when another signal comes at the same moment: it adds up what Python has
    handled and what it reads from its pipe.
    """
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback, *arguments)

    signal.signal(number, on_signal)
    signal.siginterrupt(number, False)


def stop_on_signals(
    run: Stoppable, say: Callable[[str], None], *, before_exit: Callable[[], None] = lambda: None
) -> None:
    """From now on, on the running event loop. `say` is given the name of the first signal.

    `before_exit` is called at the second one, before the process exits with 130.
    """
    got: list[str] = []

    def on_signal(name: str) -> None:
        got.append(name)
        if len(got) > 1:
            before_exit()
            sys.stderr.flush()
            os._exit(INTERRUPTED_TWICE)
        say(name)
        run.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        call_on_signal(number, on_signal, number.name)


def say_in_flight(_name: str) -> None:
    """For commands that show progress on standard error."""
    # print alone: a progress bar stands in for standard error, and takes the line above it
    print("Stopping: what is in flight is waited for. A second signal exits at once.", file=sys.stderr)

"""What is called on the event loop for a signal of the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from threading import Timer

import pytest
import uvloop
from assertions import HANG_S

from stream.console.stop_signals import call_on_signal

NUMBERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def _handlers_as_before() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in NUMBERS]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers_as_before")
def test_a_signal_beside_another_is_one_call() -> None:
    """A second SIGTERM ends the process at once, so one must not count as two."""
    called: list[str] = []

    async def main() -> None:
        got_last = asyncio.Event()
        call_on_signal(signal.SIGHUP, called.append, "reload")
        call_on_signal(signal.SIGUSR2, got_last.set)
        # A signal that comes while the loop looks at another: between its pipe and Python's handlers.
        signal.signal(signal.SIGUSR1, lambda *_: signal.raise_signal(signal.SIGHUP))
        Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        Timer(0.25, os.kill, (os.getpid(), signal.SIGUSR2)).start()
        await asyncio.wait_for(got_last.wait(), HANG_S)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert called == ["reload"]


@pytest.mark.usefixtures("_handlers_as_before")
def test_a_signal_after_the_loop_is_closed_calls_nothing() -> None:
    """It comes while the process ends."""
    called: list[str] = []

    async def main() -> None:
        call_on_signal(signal.SIGHUP, called.append, "reload")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    signal.raise_signal(signal.SIGHUP)
    assert not called

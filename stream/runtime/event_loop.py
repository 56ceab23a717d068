"""The event loop: its time, and what happens when something raises within it, outside of any awaited task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from stream.model.errors import StreamError, describe_error
from stream.model.ports import Cancel, Logger


class LoopClock:
    """Fulfils `Scheduler` on a running event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        """Seconds since some fixed point."""
        return self._loop.time()

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call back at monotonic time `when`."""
        return self._loop.call_at(when, callback)


def fail_on_loop_faults(logger: Logger, fail: Callable[[StreamError], None]) -> None:
    """Call `fail` for each from now on, on the running loop: nothing may be committed or sent on its strength.

    A fault of the network concerns one connection, and is only logged.
    """

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            logger.warning("The event loop reports a fault of the network.", what=context["message"])
            return
        logger.error("The engine broke; nothing more is committed.", error=describe_error(error))
        fail(as_stream_error(error))

    asyncio.get_running_loop().set_exception_handler(on_exception)


def as_stream_error(error: BaseException) -> StreamError:
    """`error` as an error of this program, to end with."""
    return error if isinstance(error, StreamError) else StreamError(f"The engine broke: {describe_error(error)}.")

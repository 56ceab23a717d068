"""The event loop's time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from stream.model.ports import Cancel


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

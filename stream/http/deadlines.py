"""The deadlines of all attempts of a sender, kept by one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

from stream.http.connection import HttpConnection

SHORTEST_WAIT_S = 0.001
"""The resolution of uvloop's timers: a shorter wait would spin."""


class Deadlines:
    """Calls `on_due` with each connection that still carries an attempt `timeout_s` after its start.

    All have the same timeout, so one timer, set for the oldest attempt, is enough: it goes off about once in
    `timeout_s`, however many attempts come and go, and looks at every connection. Set the timer
    (`set`) with each attempt.
    """

    def __init__(
        self, timeout_s: float, connections: Collection[HttpConnection], on_due: Callable[[HttpConnection], None]
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._on_due = on_due
        self._timer: asyncio.TimerHandle | None = None
        self.is_set = False

    def set(self) -> None:
        """Set the timer for the oldest attempt, if there is one."""
        started = [connection.started_at for connection in self._connections if connection.attempt is not None]
        if started:
            wait = max(SHORTEST_WAIT_S, min(started) + self._timeout_s - monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._go_off)
            self.is_set = True

    def close(self) -> None:
        """Stop the timer."""
        self.is_set = False
        if self._timer is not None:
            self._timer.cancel()

    def _go_off(self) -> None:
        self.is_set = False
        latest = monotonic() - self._timeout_s
        for connection in list(self._connections):
            if connection.attempt is not None and connection.started_at <= latest:
                self._on_due(connection)
        if not self.is_set:
            self.set()

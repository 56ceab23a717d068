"""The connections that wait for a request."""

from __future__ import annotations

import asyncio
from time import monotonic

from stream.http.connection import HttpConnection


class IdlePool:
    """Connections between requests, the most recently used one on top.

    At most `max_idle` wait, each for at most `keepalive_s`; one timer sees to that.
    """

    def __init__(self, max_idle: int, keepalive_s: float) -> None:
        self._max_idle = max_idle
        self._keepalive_s = keepalive_s
        self._timer: asyncio.TimerHandle | None = None
        # Invariant: idle longest first.
        self.stack: list[HttpConnection] = []

    def add(self, connection: HttpConnection) -> None:
        """Its request is over."""
        if len(self.stack) >= self._max_idle:
            connection.drop()
            return
        self.stack.append(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._keepalive_s, self._expire)

    def discard(self, connection: HttpConnection) -> None:
        """It is closed; it need not be here."""
        if connection in self.stack:
            self.stack.remove(connection)

    def close(self) -> None:
        """Close all of them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.stack:
            self.stack.pop().drop()

    def _expire(self) -> None:
        latest = monotonic() - self._keepalive_s
        while self.stack and self.stack[0].idle_since <= latest:
            self.stack.pop(0).drop()
        self._timer = None
        if self.stack:
            wait = self.stack[0].idle_since - latest
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)

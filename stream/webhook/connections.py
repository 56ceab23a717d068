"""The connections to one workflow that wait for a request."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from stream.webhook.connection import Connection


class IdleConnections:
    """Hands out the most recently used connection, or a new one; closes those that have waited too long.

    The number in use is the caller's business; at most `max_idle` wait.
    """

    def __init__(self, connect: Callable[[], Connection], max_idle: int, keepalive_s: float) -> None:
        self._connect = connect
        self._max_idle = max_idle
        self._keepalive_s = keepalive_s
        # Invariant: idle longest first.
        self._idle: deque[tuple[float, Connection]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def take(self) -> Connection:
        """A connection that nobody else uses."""
        return self._idle.pop()[1] if self._idle else self._connect()

    def give_back(self, connection: Connection) -> None:
        """Its request is over, one way or another; it is kept when it can take one more."""
        if not connection.is_reusable or len(self._idle) >= self._max_idle:
            self._drop(connection)
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._timer is None:
            self._timer = loop.call_later(self._keepalive_s, self._expire)

    async def close(self) -> None:
        """Close every connection that waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._drop(self._idle.pop()[1])
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][0] + self._keepalive_s <= loop.time():
            self._drop(self._idle.popleft()[1])
        due_at = self._idle[0][0] + self._keepalive_s if self._idle else None
        self._timer = None if due_at is None else loop.call_at(due_at, self._expire)

    def _drop(self, connection: Connection) -> None:
        closing = asyncio.get_running_loop().create_task(_close(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _close(connection: Connection) -> None:
    # A connection that ends badly has ended all the same; nobody waits for this to be told.
    with contextlib.suppress(Exception):
        await connection.aclose()

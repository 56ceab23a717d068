"""The addresses of a host, asked for again and again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any, NamedTuple

FRESH_S = 1.0
"""How long an answer is used again: long enough for a burst of new connections, too short to miss a change."""


class Address(NamedTuple):
    """Where a socket can connect to."""

    family: int
    sockaddr: tuple[Any, ...]


Lookup = Callable[[str, int], Coroutine[Any, Any, list[Address]]]
"""All addresses of a host and port, best first. Raises OSError, mostly socket.gaierror, when there are none."""


async def system_lookup(host: str, port: int) -> list[Address]:
    """Ask the system's resolver, without holding up the event loop."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]


class Resolver:
    """Resolves one host; never asks twice at the same time, nor again while the last answer is fresh."""

    def __init__(self, host: str, port: int, lookup: Lookup, fresh_s: float = FRESH_S) -> None:
        self._host = host
        self._port = port
        self._ask = lookup
        self._fresh_s = fresh_s
        self._literal = _numeric(host, port)
        self._lookup: asyncio.Task[list[Address]] | None = None
        self._fresh_until = 0.0

    async def addresses(self) -> list[Address]:
        """All addresses, best first. Raises what the lookup raises."""
        if self._literal:
            return self._literal
        if self._lookup is None or (self._lookup.done() and monotonic() >= self._fresh_until):
            self._lookup = asyncio.get_running_loop().create_task(self._ask(self._host, self._port))
            self._lookup.add_done_callback(self._on_answered)
        # Whoever waits may be cancelled; the others wait on.
        return await asyncio.shield(self._lookup)

    def forget(self) -> None:
        """Ask again the next time: the addresses were of no use."""
        self._fresh_until = 0.0

    async def close(self) -> None:
        """Stop asking."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.gather(self._lookup, return_exceptions=True)
            self._lookup = None

    def _on_answered(self, lookup: asyncio.Task[list[Address]]) -> None:
        is_good = not lookup.cancelled() and lookup.exception() is None
        self._fresh_until = monotonic() + self._fresh_s if is_good else 0.0


def _numeric(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]

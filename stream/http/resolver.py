"""The addresses of a host, looked up again and again."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic

from stream.http.lookup import Address, Lookup

FRESH_S = 1.0
"""How long an answer is used again: long enough for a burst of new connections, too short to miss a change."""
PATIENCE_S = 1.0
"""How long a new answer is waited for where an older one is at hand."""
KEPT_S = 3600.0
"""How long an answer is used while the name server gives no other."""


class Resolver:
    """Resolves one host; never asks twice at the same time, nor again while the last answer is fresh.

    Where the name server is silent or out of order, the last answer is used for up to `KEPT_S`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        lookup: Lookup,
        fresh_s: float = FRESH_S,
        patience_s: float = PATIENCE_S,
        kept_s: float = KEPT_S,
    ) -> None:
        self._host = host
        self._port = port
        self._ask = lookup
        self._fresh_s = fresh_s
        self._patience_s = patience_s
        self._kept_s = kept_s
        self._literal = _numeric(host, port)
        self._lookup: asyncio.Task[list[Address]] | None = None
        self._begun_at = 0.0
        self._fresh_until = 0.0
        self._kept: list[Address] = []
        self._kept_until = 0.0

    async def addresses(self) -> list[Address]:
        """All addresses, best first. Raises what the lookup raises."""
        if self._literal:
            return self._literal
        lookup, now = self._lookup, monotonic()
        if lookup is None or (lookup.done() and now >= self._fresh_until):
            lookup = self._begin(now)
        if not lookup.done():
            patience_s = max(0.0, self._begun_at + self._patience_s - now) if now < self._kept_until else None
            await asyncio.wait([lookup], timeout=patience_s)
        if monotonic() < self._kept_until and (not lookup.done() or _is_passing(lookup.exception())):
            return self._kept
        return lookup.result()

    def forget(self) -> None:
        """Ask again the next time: the addresses were of no use."""
        self._fresh_until = 0.0

    async def close(self) -> None:
        """Stop asking."""
        if self._lookup is not None:
            self._lookup.cancel()
            await asyncio.gather(self._lookup, return_exceptions=True)
            self._lookup = None

    def _begin(self, now: float) -> asyncio.Task[list[Address]]:
        self._begun_at = now
        self._lookup = asyncio.get_running_loop().create_task(self._ask(self._host, self._port))
        self._lookup.add_done_callback(self._on_answered)
        return self._lookup

    def _on_answered(self, lookup: asyncio.Task[list[Address]]) -> None:
        now = monotonic()
        if lookup.cancelled():
            return
        error = lookup.exception()
        if error is None:
            self._kept, self._kept_until = lookup.result(), now + self._kept_s
            self._fresh_until = now + self._fresh_s
        elif not _is_passing(error):
            self._kept_until = 0.0


def _is_passing(error: BaseException | None) -> bool:
    """The name server was at fault, rather than the name."""
    return isinstance(error, socket.gaierror) and error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL)


def _numeric(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []
    return [Address(family, sockaddr) for family, _, _, _, sockaddr in found]

"""Tries the addresses of a host, without waiting long for one that does not answer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from stream.http.lookup import Address

HEAD_START_S = 0.25
"""How long an address is waited for before the next is tried as well (RFC 8305 recommends this)."""


class Closable(Protocol):
    """A connection: a socket, or what stands for one."""

    def close(self) -> object:
        """Close it."""


Connected = TypeVar("Connected", bound=Closable)


async def first_connected(
    addresses: Sequence[Address], connect: Callable[[Address], Coroutine[Any, Any, Connected]]
) -> Connected:
    """The connection that is made first. When none is, raises what the last address raised."""
    if len(addresses) == 1:
        return await connect(addresses[0])
    waiting, winner = deque(addresses), None
    runners: list[asyncio.Task[Connected]] = []
    try:
        while winner is None:
            if waiting:
                runners.append(asyncio.create_task(connect(waiting.popleft())))
            running = [runner for runner in runners if not runner.done()]
            if not running:
                return runners[-1].result()
            head_start = HEAD_START_S if waiting else None
            await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            winner = next((runner for runner in runners if runner.done() and runner.exception() is None), None)
        return winner.result()
    finally:
        for runner in runners:
            if runner is not winner:
                runner.cancel()
                runner.add_done_callback(_discard)


def _discard(loser: asyncio.Task[Connected]) -> None:
    if not loser.cancelled() and loser.exception() is None:
        loser.result().close()

"""The system's resolver, asked in threads of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, NamedTuple


class Address(NamedTuple):
    """Where a socket can connect to."""

    family: int
    sockaddr: tuple[Any, ...]


Lookup = Callable[[str, int], Coroutine[Any, Any, list[Address]]]
"""All addresses of a host and port, best first. Raises OSError, mostly socket.gaierror, when there are none."""


_under_way: dict[tuple[asyncio.AbstractEventLoop, str, int], asyncio.Future[list[Address]]] = {}
"""What `system_lookup` waits for."""


async def system_lookup(host: str, port: int) -> list[Address]:
    """Ask the system's resolver, in a thread for each host: a name server that is silent delays no other lookup."""
    key = (asyncio.get_running_loop(), host, port)
    answer = _under_way.get(key)
    if answer is None:
        answer = _under_way[key] = key[0].create_future()
        try:
            Thread(target=_ask_system, args=(key, answer), name="tray-lookup", daemon=True).start()
        except RuntimeError as error:
            del _under_way[key]
            raise socket.gaierror(socket.EAI_AGAIN, "no thread could be started for the lookup") from error
    # A caller may be cancelled; the others still wait.
    return await asyncio.shield(answer)


def _ask_system(key: tuple[asyncio.AbstractEventLoop, str, int], answer: asyncio.Future[list[Address]]) -> None:
    loop, host, port = key
    found: list[Address] | Exception
    try:
        found = [Address(each[0], each[4]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        found = error
    try:
        loop.call_soon_threadsafe(_conclude, key, answer, found)
    except RuntimeError:  # the loop is closed; nobody waits
        _under_way.pop(key, None)


def _conclude(
    key: tuple[asyncio.AbstractEventLoop, str, int],
    answer: asyncio.Future[list[Address]],
    found: list[Address] | Exception,
) -> None:
    del _under_way[key]
    if isinstance(found, Exception):
        answer.set_exception(found)
        answer.exception()  # perhaps nobody waits any longer
    else:
        answer.set_result(found)

"""aiohttp on uvloop, requests only: what our sender is held against over TLS.

`uv run --with aiohttp --with uvloop python tests/bench/bench_aiohttp.py URL COUNT IN_FLIGHT SIZE [CERTIFICATE]`
"""

from __future__ import annotations

import asyncio
import ssl
import sys

import aiohttp  # type: ignore[import-not-found]  # no dependency of ours: uv brings it for this one run
import uvloop


async def post(url: str, count: int, in_flight: int, size: int, tls: ssl.SSLContext | None) -> None:
    """Keep `in_flight` requests under way until `count` are answered."""
    left = count
    body, headers = b"x" * size, {"Content-Type": "application/json"}

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=in_flight, ssl=tls if tls else True)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(worker(session) for _ in range(in_flight)))


def main() -> None:
    """The command line."""
    url, count, in_flight, size, *more = sys.argv[1:]
    tls = ssl.create_default_context(cafile=more[0]) if more else None
    uvloop.run(post(url, int(count), int(in_flight), int(size), tls))


if __name__ == "__main__":
    main()

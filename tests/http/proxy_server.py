"""A proxy that forwards and tunnels, wants a password or refuses, and remembers what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import urlsplit


class ProxyUnderTest:
    """An HTTP proxy on the loopback. `refusal` is a status that it answers every tunnel with; 0: none."""

    def __init__(self, refusal: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.refusal = refusal
        self.heads: list[str] = []
        """The first lines and headers that it was sent, of tunnels and of forwarded requests."""
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ProxyUnderTest:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        if self.refusal:
            writer.write(f"HTTP/1.1 {self.refusal} \x1b[31mNo\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        where = target if method == "CONNECT" else urlsplit(target).netloc
        host, _, port = where.rpartition(":")
        there_reader, there = await asyncio.open_connection(host.removesuffix("."), int(port))
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                there.write(_forwarded(head, urlsplit(target).path))
            await asyncio.gather(_pump(reader, there), _pump(there_reader, writer))
        finally:
            there.transport.abort()


def _forwarded(head: str, path: str) -> bytes:
    """The first request of a connection, as the workflow is to see it."""
    kept = [line for line in head.split("\r\n")[1:] if not line.lower().startswith("proxy-")]
    return f"POST {path} HTTP/1.1\r\n".encode() + "\r\n".join(kept).encode()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()

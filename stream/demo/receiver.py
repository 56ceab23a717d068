"""Workflows that fail on demand: an HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Any, Self, TypeVar, cast

import uvloop

from stream.demo.behaviours import OK, Behaviour, Reply, always
from stream.demo.receiver_connection import Arrival, ReceiverConnection, RequestHead

T = TypeVar("T")

WAIT_S = 60.0


class Receiver:
    """An HTTP/1.1 server on the loopback where each path behaves as its script says; 200 without one.

    It runs from construction, on a thread and an event loop of its own, until `close`. Every method may be
    called from any thread.
    """

    connection_type = ReceiverConnection

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> None:
        self._scheme = "https" if tls else "http"
        self.scripts: dict[str, Behaviour] = {}
        self.counts: Counter[str] = Counter()
        """Requests that have arrived, by path."""
        self.connections: set[ReceiverConnection] = set()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fault-receiver", daemon=True)
        self._thread.start()
        try:
            self._server = self.call(self._listen(host, port, tls))
        except OSError:
            self._end_loop()
            raise
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def url(self, path: str = "/") -> str:
        """Full URL of a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def script(self, path: str, behaviour: Behaviour | int) -> None:
        """How a path behaves from its next request on; a number is the status of every answer."""
        self.scripts[path] = always(behaviour) if isinstance(behaviour, int) else behaviour

    def close(self) -> None:
        """Stop listening, close every connection and end the thread. May be called again."""
        if self.loop.is_closed():
            return
        self.call(self._shut())
        self._end_loop()

    def joined(self, connection: ReceiverConnection) -> None:
        """A connection was made (called by it, on the receiver's thread, like the next three)."""
        self.connections.add(connection)

    def left(self, connection: ReceiverConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)

    def arrived(self, head: RequestHead, body: bytes) -> tuple[Arrival, Reply]:
        """A request was read: what it was, and what its path's script says."""
        path = head.path
        arrival = Arrival(time.monotonic(), path, head.headers, body, method=head.method)
        self.counts[path] += 1
        behaviour = self.scripts.get(path)
        return arrival, behaviour(body, self.counts[path]) if behaviour else OK

    def answered(self, arrival: Arrival, status: int) -> None:
        """A request is being answered; called just before the answer is written."""
        arrival.answered_at = time.monotonic()
        arrival.status = status

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the receiver's own loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        make = partial(self.connection_type, self, self.loop)
        server = await self.loop.create_server(make, host, port, ssl=tls, backlog=1024)
        return cast(asyncio.Server, server)

    async def _shut(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()

    def _end_loop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

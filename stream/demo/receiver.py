"""Workflows that fail on demand: an HTTP server in a thread of its own that keeps a log of what arrived."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Self, TypeVar, cast

import uvloop

from stream.demo.behaviours import OK, Behaviour, Reply, always
from stream.demo.receiver_connection import Arrival, ReceiverConnection, RequestHead

T = TypeVar("T")

NOTIFY_INTERVAL_S = 0.002
"""Waiting threads are woken at most this often: a wake-up for each request would slow the server down."""

WAIT_S = 60.0


class Receiver:
    """An HTTP/1.1 server on the loopback where each path behaves as its script says; 200 without one.

    It runs from construction, on a thread and an event loop of its own, until `close`. Every method may be
    called from any thread. One that runs for days has `keeps_log=False`: it counts what arrives and forgets it.
    """

    connection_type = ReceiverConnection

    def __init__(
        self,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        *,
        host: str = "127.0.0.1",
        keeps_log: bool = True,
    ) -> None:
        self._scheme = "https" if tls else "http"
        self.scripts: dict[str, Behaviour] = {}
        self._log: list[Arrival] = []
        self._by_path: dict[str, list[Arrival]] = {}
        self._counts: Counter[str] = Counter()
        self._keeps_log = keeps_log
        self._changed = threading.Condition()
        self._notify_is_due = False
        self.connections: set[ReceiverConnection] = set()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-receiver", daemon=True)
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

    def arrivals(self, path: str | None = None) -> list[Arrival]:
        """What has arrived so far, in order: on one path, or on all."""
        return list(self._log if path is None else self._by_path.get(path, ()))

    def count(self, path: str | None = None) -> int:
        """How many requests have arrived."""
        return self._counts.total() if path is None else self._counts[path]

    def wait_for(self, predicate: Callable[[], bool], timeout: float = WAIT_S) -> bool:
        """Wait until `predicate` holds, asked again after arrivals and answers; False when it never did."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def close(self) -> None:
        """Stop listening, close every connection and end the thread. May be called again."""
        if self._loop.is_closed():
            return
        self.call(self._shut())
        self._end_loop()

    def joined(self, connection: ReceiverConnection) -> None:
        """A connection was made (called by it, on the receiver's thread, like the next three)."""
        self.connections.add(connection)

    def left(self, connection: ReceiverConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        self._tell()

    def arrived(self, head: RequestHead, body: bytes) -> tuple[Arrival, Reply]:
        """A request was read: its entry in the log, and what its path's script says."""
        path = head.path
        arrival = Arrival(time.monotonic(), path, head.headers, body, method=head.method)
        self._counts[path] += 1
        if self._keeps_log:
            self._log.append(arrival)
            self._by_path.setdefault(path, []).append(arrival)
        self._tell()
        behaviour = self.scripts.get(path)
        return arrival, behaviour(body, self._counts[path]) if behaviour else OK

    def answered(self, arrival: Arrival, status: int) -> None:
        """A request is being answered; called just before the answer is written."""
        arrival.answered_at = time.monotonic()
        arrival.status = status
        self._tell()

    def _tell(self) -> None:
        if not self._notify_is_due:
            self._notify_is_due = True
            self._loop.call_later(NOTIFY_INTERVAL_S, self._notify)

    def _notify(self) -> None:
        self._notify_is_due = False
        with self._changed:
            self._changed.notify_all()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the receiver's own loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        make = partial(self.connection_type, self, self._loop)
        server = await self._loop.create_server(make, host, port, ssl=tls, backlog=1024)
        return cast(asyncio.Server, server)

    async def _shut(self) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()
        self._notify()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

"""Workflows that fail on demand: an HTTP server in a thread of its own that keeps a log of what arrived."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar, cast

import uvloop

from stream.demo.arrival import Arrival
from stream.demo.behaviours import OK, Behaviour, Reply, always
from stream.demo.receiver_connection import ReceiverConnection, RequestHead

T = TypeVar("T")

NOTIFY_INTERVAL_S = 0.002
"""Waiting threads are woken at most this often: a wake-up for each request would slow the server down."""

WAIT_S = 60.0


class FaultReceiver:
    """An HTTP/1.1 server on the loopback where each path behaves as its script says; 200 without one.

    It runs from construction, on a thread and an event loop of its own, until `close`. Every method may be
    called from any thread. With `log_file`, each answer is also written there as a line of JSON. One that runs for
    days has `keeps_log=False`: it counts what arrives and forgets it.
    """

    def __init__(
        self,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        log_file: Path | None = None,
        *,
        host: str = "127.0.0.1",
        keeps_log: bool = True,
    ) -> None:
        self._scheme = "https" if tls else "http"
        self._scripts: dict[str, Behaviour] = {}
        self._log: list[Arrival] = []
        self._by_path: dict[str, list[Arrival]] = {}
        self._counts: Counter[str] = Counter()
        self._keeps_log = keeps_log
        self._changed = threading.Condition()
        self._notify_is_due = False
        self._file: TextIO | None = log_file.open("a", buffering=1) if log_file else None
        self._connections: set[ReceiverConnection] = set()
        self.connections_opened = 0
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-receiver", daemon=True)
        self._thread.start()
        try:
            self._server = self._call(self._listen(host, port, tls))
        except OSError:
            self._end_loop()
            raise
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self, path: str = "/") -> str:
        """Full URL of a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def script(self, path: str, behaviour: Behaviour | int) -> None:
        """How a path behaves from its next request on; a number is the status of every answer."""
        self._scripts[path] = always(behaviour) if isinstance(behaviour, int) else behaviour

    def heal(self, path: str) -> None:
        """Let a path answer 200 from its next request on."""
        self._scripts.pop(path, None)

    def arrivals(self, path: str | None = None) -> list[Arrival]:
        """What has arrived so far, in order: on one path, or on all."""
        return list(self._log if path is None else self._by_path.get(path, ()))

    def successes(self, path: str | None = None) -> list[Arrival]:
        """What has arrived and was answered with a 2xx."""
        return [arrival for arrival in self.arrivals(path) if arrival.is_success]

    def count(self, path: str | None = None) -> int:
        """How many requests have arrived."""
        return self._counts.total() if path is None else self._counts[path]

    def wait_for(self, predicate: Callable[[], bool], timeout: float = WAIT_S) -> bool:
        """Wait until `predicate` holds, asked again after arrivals and answers; False when it never did."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def wait_for_count(self, path: str, count: int, timeout: float = WAIT_S) -> bool:
        """Wait until at least `count` requests have arrived on a path."""
        return self.wait_for(lambda: self.count(path) >= count, timeout)

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    def drop_connections(self) -> None:
        """Close every open connection, as a server does with those that are idle."""
        self._call(self._drop())

    def close(self) -> None:
        """Stop listening, close every connection and end the thread. May be called again."""
        if self._loop.is_closed():
            return
        self._call(self._shut())
        self._end_loop()
        if self._file:
            self._file.close()

    def joined(self, connection: ReceiverConnection) -> None:
        """A connection was made (told by it, on the receiver's thread, like the next three)."""
        self._connections.add(connection)
        self.connections_opened += 1

    def left(self, connection: ReceiverConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
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
        behaviour = self._scripts.get(path)
        return arrival, behaviour(body, self._counts[path]) if behaviour else OK

    def answered(self, arrival: Arrival, status: int) -> None:
        """A request is being answered; called just before the answer is written."""
        arrival.answered_at = time.monotonic()
        arrival.status = status
        self._tell()
        if self._file:
            self._file.write(_log_line(arrival))

    def _tell(self) -> None:
        if not self._notify_is_due:
            self._notify_is_due = True
            self._loop.call_later(NOTIFY_INTERVAL_S, self._notify)

    def _notify(self) -> None:
        self._notify_is_due = False
        with self._changed:
            self._changed.notify_all()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        make = partial(ReceiverConnection, self, self._loop)
        server = await self._loop.create_server(make, host, port, ssl=tls, backlog=1024)
        return cast(asyncio.Server, server)

    async def _drop(self) -> None:
        for connection in list(self._connections):
            connection.close()

    async def _shut(self) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()
        self._notify()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _log_line(arrival: Arrival) -> str:
    known = {"at": arrival.at, "path": arrival.path, "status": arrival.status, "bytes": len(arrival.body)}
    return json.dumps(known | {"idempotency_key": arrival.headers.get("idempotency-key")}) + "\n"

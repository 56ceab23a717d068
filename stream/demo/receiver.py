"""Workflows that fail on demand: an HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any, NamedTuple, Self, TypeVar, cast

import uvloop

from stream.demo.behaviours import OK, Behaviour, Reply, always

_BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Arrival:
    """One request that was read in full."""

    at: float
    """When it was read, as `time.monotonic` tells."""
    path: str
    headers: dict[str, str]
    """Names in lower case; of a name that came twice, the last."""
    body: bytes
    status: int = 0
    """The status it was answered with; 0 as long as there is no complete answer."""
    answered_at: float = 0.0
    """When the answer was written, on the same clock; 0.0 as long as there is none."""
    method: str = "POST"

    @property
    def is_success(self) -> bool:
        """Whether it was answered with a 2xx."""
        return 200 <= self.status < 300


class RequestHead(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    """Bytes of the body that follows."""


class ReceiverConnection(asyncio.Protocol):
    """Serves the requests of one connection one after the other; what is sent meanwhile waits."""

    def __init__(self, host: Receiver, loop: asyncio.AbstractEventLoop) -> None:
        self.host = host
        self.loop = loop
        self.transport: asyncio.Transport
        self._buffer = bytearray()
        self._head: RequestHead | None = None
        self.is_busy = False
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the host."""
        self.transport = cast(asyncio.Transport, transport)
        self.host.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is pending: its request stays without an answer."""
        if self.timer:
            self.timer.cancel()
        self.host.left(self)

    def data_received(self, data: bytes) -> None:
        """Serve the requests that are whole by now."""
        self._buffer += data
        self._serve()

    def close(self) -> None:
        """Close in an orderly way."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once, dropping what is not sent yet."""
        self.transport.abort()

    def _serve(self) -> None:
        while not self.is_busy and not self.transport.is_closing():
            try:
                request = self._take()
            except ValueError:
                self.transport.write(encode(Reply(400, b"not a request that this server reads")))
                self.transport.close()
                return
            if request is None:
                return
            self.begin(*self.host.arrived(*request))

    def _take(self) -> tuple[RequestHead, bytes] | None:
        """Cut the next whole request off the buffer; None when it is not all there yet.

        Raises:
            ValueError: it cannot be read.
        """
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        head = self._head
        if len(self._buffer) < head.length:
            return None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        self._head = None
        return head, body

    def begin(self, arrival: Arrival, reply: Reply) -> None:
        """Answer a request, now or when its delay is over."""
        if reply.delay_s:
            self.is_busy = True
            self.timer = self.loop.call_later(reply.delay_s, self._finish_later, arrival, reply)
        else:
            self.finish(arrival, reply)

    def _finish_later(self, arrival: Arrival, reply: Reply) -> None:
        self.is_busy = False
        self.finish(arrival, reply)
        self._serve()

    def finish(self, arrival: Arrival, reply: Reply) -> None:
        """Answer a request."""
        self.host.answered(arrival, reply.status)
        self.transport.write(encode(reply))


@lru_cache(maxsize=256)
def encode(reply: Reply) -> bytes:
    """The bytes of a whole answer."""
    if reply.status in _BODILESS:
        return head_bytes(reply)
    return head_bytes(reply, f"Content-Length: {len(reply.body)}") + reply.body


def head_bytes(reply: Reply, *more: str) -> bytes:
    known = reply.status in HTTPStatus._value2member_map_
    phrase = HTTPStatus(reply.status).phrase if known else "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in reply.headers), *more]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _parse_head(raw: bytes) -> RequestHead:
    start, *fields = raw.decode("latin-1").split("\r\n")
    method, path, _version = start.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    if "transfer-encoding" in headers:
        raise ValueError("a body of unknown length")
    return RequestHead(method, path, headers, int(headers.get("content-length", 0)))


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

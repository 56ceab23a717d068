"""One connection to the `FaultReceiver`: reads HTTP/1.1 requests and does to each what the script says."""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast

from stream.demo.arrival import Arrival
from stream.demo.behaviours import Act, Reply

_BODILESS = frozenset({204, 304})
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_ENDLESS_CHUNK = 64 * 1024


class Host(Protocol):
    """What a connection asks of, and tells, the server it belongs to; called on the server's thread."""

    def joined(self, connection: ReceiverConnection) -> None:
        """A connection was made."""

    def left(self, connection: ReceiverConnection) -> None:
        """A connection is gone."""

    def arrived(self, head: RequestHead, body: bytes) -> tuple[Arrival, Reply]:
        """A request was read: its entry in the log, and what it gets."""

    def answered(self, arrival: Arrival, status: int) -> None:
        """A request was answered."""


class RequestHead(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    headers: dict[str, str]
    length: int
    """Bytes of the body that follows."""


class ReceiverConnection(asyncio.Protocol):
    """Serves the requests of one connection one after the other; what is sent meanwhile waits."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._head: RequestHead | None = None
        self._is_busy = False
        self._is_choked = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the host."""
        self._transport = cast(asyncio.Transport, transport)
        self._host.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is pending: its request stays without an answer."""
        if self._timer:
            self._timer.cancel()
        self._host.left(self)

    def data_received(self, data: bytes) -> None:
        """Serve the requests that are whole by now."""
        self._buffer += data
        self._serve()

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._is_choked = True

    def resume_writing(self) -> None:
        """The other side reads again."""
        self._is_choked = False

    def close(self) -> None:
        """Close in an orderly way."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once, dropping what is not sent yet."""
        self._transport.abort()

    def _serve(self) -> None:
        while not self._is_busy and not self._transport.is_closing():
            try:
                request = self._take()
            except ValueError:
                self._transport.write(encode(Reply(400, b"not a request that this server reads")))
                self._transport.close()
                return
            if request is None:
                return
            self._begin(*self._host.arrived(*request))

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

    def _begin(self, arrival: Arrival, reply: Reply) -> None:
        if reply.delay_s and reply.act is not Act.TRICKLE:
            self._is_busy = True
            self._timer = self._loop.call_later(reply.delay_s, self._finish_later, arrival, reply)
        else:
            self._finish(arrival, reply)

    def _finish_later(self, arrival: Arrival, reply: Reply) -> None:
        self._is_busy = False
        self._finish(arrival, reply)
        self._serve()

    def _finish(self, arrival: Arrival, reply: Reply) -> None:
        match reply.act:
            case Act.ANSWER | Act.CLOSE:
                self._host.answered(arrival, reply.status)
                self._transport.write(encode(reply))
                if reply.act is Act.CLOSE:
                    self._transport.close()
            case Act.HANG:
                self._is_busy = True
            case Act.HANG_IN_BODY:
                self._is_busy = True
                self._transport.write(_head_bytes(reply, "Content-Length: 1000"))
            case Act.TRICKLE:
                self._is_busy = True
                self._transport.write(_head_bytes(reply, "Transfer-Encoding: chunked"))
                self._trickle(reply.delay_s)
            case Act.RESET:
                self._reset()
            case Act.GARBAGE:
                self._transport.write(reply.body)
                self._transport.close()

    def _trickle(self, interval_s: float) -> None:
        size = 1 if interval_s else _ENDLESS_CHUNK
        if not self._is_choked:
            self._transport.write(b"%x\r\n%b\r\n" % (size, b"." * size))
        self._timer = self._loop.call_later(interval_s or 0.001, self._trickle, interval_s)

    def _reset(self) -> None:
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


@lru_cache(maxsize=256)
def encode(reply: Reply) -> bytes:
    """The bytes of a whole answer."""
    if reply.status in _BODILESS:
        return _head_bytes(reply)
    return _head_bytes(reply, f"Content-Length: {len(reply.body)}") + reply.body


def _head_bytes(reply: Reply, *more: str) -> bytes:
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

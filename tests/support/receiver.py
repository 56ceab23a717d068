"""A workflow that fails on demand: the demo's receiver, whose connections can be treated badly."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable

from stream.demo.behaviours import Reply
from stream.demo.receiver import WAIT_S, Arrival, Receiver, ReceiverConnection, RequestHead, encode, head_bytes
from support.behaviours import Act, Misdeed

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_ENDLESS_CHUNK = 64 * 1024
NOTIFY_INTERVAL_S = 0.002
"""Waiting threads are woken at most this often: a wake-up for each request would slow the server down."""


class FaultConnection(ReceiverConnection):
    """Does to each request what its script says."""

    is_choked = False

    def pause_writing(self) -> None:
        """The other side does not read."""
        self.is_choked = True

    def resume_writing(self) -> None:
        """The other side reads again."""
        self.is_choked = False

    def begin(self, arrival: Arrival, reply: Reply) -> None:
        """Answer now or later, or do what else the reply says."""
        if isinstance(reply, Misdeed) and reply.act is Act.TRICKLE:
            self.finish(arrival, reply)
        else:
            super().begin(arrival, reply)

    def finish(self, arrival: Arrival, reply: Reply) -> None:
        """Answer a request, or do what else the reply says."""
        if not isinstance(reply, Misdeed):
            super().finish(arrival, reply)
            return
        match reply.act:
            case Act.CLOSE:
                self.host.answered(arrival, reply.status)
                self.transport.write(encode(reply))
                self.transport.close()
            case Act.HANG:
                self.is_busy = True
            case Act.HANG_IN_BODY:
                self.is_busy = True
                self.transport.write(head_bytes(reply, "Content-Length: 1000"))
            case Act.TRICKLE:
                self.is_busy = True
                self.transport.write(head_bytes(reply, "Transfer-Encoding: chunked"))
                self._trickle(reply.delay_s)
            case Act.RESET:
                self._reset()
            case Act.GARBAGE:
                self.transport.write(reply.body)
                self.transport.close()

    def _trickle(self, interval_s: float) -> None:
        size = 1 if interval_s else _ENDLESS_CHUNK
        if not self.is_choked:
            self.transport.write(b"%x\r\n%b\r\n" % (size, b"." * size))
        self.timer = self.loop.call_later(interval_s or 0.001, self._trickle, interval_s)

    def _reset(self) -> None:
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()


class FaultReceiver(Receiver):
    """A receiver whose log tests read and wait for. With `keeps_log=False` it counts what arrives and forgets it."""

    connection_type = FaultConnection
    connections_opened = 0

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None, *, keeps_log: bool = True) -> None:
        self._keeps_log = keeps_log
        self._log: list[Arrival] = []
        self._by_path: dict[str, list[Arrival]] = {}
        self._changed = threading.Condition()
        self._notify_is_due = False
        super().__init__(port, tls)

    def arrivals(self, path: str | None = None) -> list[Arrival]:
        """What has arrived so far, in order: on one path, or on all."""
        return list(self._log if path is None else self._by_path.get(path, ()))

    def count(self, path: str | None = None) -> int:
        """How many requests have arrived."""
        return self.counts.total() if path is None else self.counts[path]

    def wait_for(self, predicate: Callable[[], bool], timeout: float = WAIT_S) -> bool:
        """Wait until `predicate` holds, asked again after arrivals and answers; False when it never did."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def arrived(self, head: RequestHead, body: bytes) -> tuple[Arrival, Reply]:
        """A request was read: its entry in the log, and what it gets."""
        arrival, reply = super().arrived(head, body)
        if self._keeps_log:
            self._log.append(arrival)
            self._by_path.setdefault(arrival.path, []).append(arrival)
        self._tell()
        return arrival, reply

    def answered(self, arrival: Arrival, status: int) -> None:
        """A request is being answered."""
        super().answered(arrival, status)
        self._tell()

    def left(self, connection: ReceiverConnection) -> None:
        """A connection is gone."""
        super().left(connection)
        self._tell()

    def close(self) -> None:
        """As always; who waits is woken."""
        super().close()
        self._notify()

    def _tell(self) -> None:
        if not self._notify_is_due:
            self._notify_is_due = True
            self.loop.call_later(NOTIFY_INTERVAL_S, self._notify)

    def _notify(self) -> None:
        self._notify_is_due = False
        with self._changed:
            self._changed.notify_all()

    def heal(self, path: str) -> None:
        """Let a path answer 200 from its next request on."""
        self.scripts.pop(path, None)

    def successes(self, path: str | None = None) -> list[Arrival]:
        """What has arrived and was answered with a 2xx."""
        return [arrival for arrival in self.arrivals(path) if arrival.is_success]

    def wait_for_count(self, path: str, count: int, timeout: float = WAIT_S) -> bool:
        """Wait until at least `count` requests have arrived on a path."""
        return self.wait_for(lambda: self.count(path) >= count, timeout)

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self.connections)

    def drop_connections(self) -> None:
        """Close every open connection, as a server does with those that are idle."""
        self.call(self._drop())

    async def _drop(self) -> None:
        for connection in list(self.connections):
            connection.close()

    def joined(self, connection: ReceiverConnection) -> None:
        """A connection was made."""
        super().joined(connection)
        self.connections_opened += 1

"""A workflow that fails on demand: the demo's receiver, whose connections can be treated badly."""

from __future__ import annotations

import socket
import struct

from stream.demo.behaviours import Reply
from stream.demo.receiver import WAIT_S, Receiver
from stream.demo.receiver_connection import Arrival, ReceiverConnection, encode, head_bytes
from support.behaviours import Act, Misdeed

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_ENDLESS_CHUNK = 64 * 1024


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
    """What tests do with a receiver, and ask of it, besides."""

    connection_type = FaultConnection
    connections_opened = 0

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

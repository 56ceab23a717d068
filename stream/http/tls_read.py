"""Hands decrypted bytes to a protocol without the cost that the loops' TLS has for it."""

from __future__ import annotations

import asyncio

BUFFER_BYTES = 64 * 1024


class TlsReadAdapter(asyncio.BufferedProtocol):
    """Stands between TLS and `protocol`.

    For a plain protocol both asyncio and uvloop allocate 256 KiB at each read, which takes the kernel four times as
    long as the rest of a request. `buffer` is shared by all connections of a sender: it is empty again before the loop
    turns to the next one. What happens before `connection_made`, amid the handshake within a tunnel, is not passed on.
    """

    __slots__ = ("_buffer", "_is_made", "_protocol")

    def __init__(self, protocol: asyncio.Protocol, buffer: memoryview) -> None:
        self._protocol = protocol
        self._buffer = buffer
        self._is_made = False

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes are to be put."""
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        """`count` decrypted bytes are in the buffer."""
        if self._is_made:
            self._protocol.data_received(bytes(self._buffer[:count]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._is_made = True
        self._protocol.connection_made(transport)

    def pause_writing(self) -> None:
        """More waits to be sent than the transport takes without complaint."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Nearly all of it was sent."""
        self._protocol.resume_writing()

    def eof_received(self) -> None:
        """The server has nothing more to say."""
        if self._is_made:
            self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        if self._is_made:
            self._protocol.connection_lost(error)

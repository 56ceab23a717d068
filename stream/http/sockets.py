"""Reads and sets a connection's options in the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct

LAST_WORDS_BYTES = 64 * 1024
_TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux has it
_TCP_INFO_BYTES = 104
_ROUND_TRIP_AT = 68
"""Where struct tcp_info has the smoothed round trip, in microseconds."""
_NO_LINGER = struct.pack("ii", 1, 0)


def abort_unsent(transport: asyncio.Transport) -> None:
    """Close with a reset, so that what still waits in the kernel's buffer is not sent."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def round_trip_s(transport: asyncio.Transport) -> float:
    """How long a packet takes there and back, as the kernel has measured it; 0 when that is not known."""
    sock = transport.get_extra_info("socket")
    if sock is None or _TCP_INFO is None:
        return 0.0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
        return float(struct.unpack_from("=I", info, _ROUND_TRIP_AT)[0]) / 1e6
    except (OSError, struct.error):
        return 0.0


def unread_bytes(transport: asyncio.Transport) -> bytes:
    """What the server said before it hung up on a request that was still being sent; nothing where TLS hides it."""
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    try:
        return os.read(transport.get_extra_info("socket").fileno(), LAST_WORDS_BYTES)
    except OSError:
        return b""

"""Takes a chunked body apart."""

from __future__ import annotations

import re
from enum import Enum, auto

MAX_LINE_BYTES = 16 * 1024
"""The longest line between chunks: a size and its extensions, or a trailer."""
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class MalformedChunkError(Exception):
    """What came is not a chunked body."""


class _Part(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    OVER = auto()


class Chunks:
    """A chunked body, fed with what arrives. Extensions and trailers are skipped."""

    def __init__(self) -> None:
        self.surplus = b""
        """What came behind the body."""
        self._next = _Part.SIZE
        self._left = 0
        self._line = b""

    @property
    def is_over(self) -> bool:
        """The last chunk and the trailers have come."""
        return self._next is _Part.OVER

    def feed(self, received: bytes) -> bytes:
        """Take in the next bytes, and return what they hold of the body.

        Raises:
            MalformedChunkError: they are not chunks.
        """
        data = []
        while received and self._next is not _Part.OVER:
            if self._next is _Part.DATA:
                data.append(received[: self._left])
                received = received[self._left :]
                self._left -= len(data[-1])
                if not self._left:
                    self._next = _Part.DATA_END
            else:
                received = self._read_line(received)
        if self._next is _Part.OVER:
            self.surplus += received
        return b"".join(data)

    def _read_line(self, received: bytes) -> bytes:
        line, line_feed, rest = received.partition(b"\n")
        self._line += line
        is_malformed = self._next is _Part.DATA_END and self._line not in (b"", b"\r")
        if is_malformed or len(self._line) > MAX_LINE_BYTES:
            raise MalformedChunkError
        if line_feed:
            line, self._line = self._line.removesuffix(b"\r"), b""
            self._take_line(line)
        elif self._next is _Part.SIZE and not _SIZE.fullmatch(self._line.removesuffix(b"\r")):
            raise MalformedChunkError
        return rest

    def _take_line(self, line: bytes) -> None:
        if self._next is _Part.DATA_END:
            self._next = _Part.SIZE
        elif self._next is _Part.TRAILER:
            self._next = _Part.TRAILER if line else _Part.OVER
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise MalformedChunkError
            self._left = int(size[1], 16)
            self._next = _Part.DATA if self._left else _Part.TRAILER

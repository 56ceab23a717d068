"""One answer, read by RFC 9112: its head, its body by length or in chunks, and what it means for the connection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

MAX_LINE_BYTES = 16 * 1024
"""The longest line between chunks: a size and its extensions, or a trailer."""
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")

_STATUS_LINE = re.compile(rb"HTTP/(0\.9|1\.\d|2\.0)[ \t]+([1-9]\d\d)(?:[ \t].*)?")
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_LINE_END = re.compile(rb"\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\0\r]*)")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_OLD_VERSIONS = (b"0.9", b"1.0", b"2.0")
_WITHOUT_BODY = (204, 304)
MAX_HEAD_BYTES = 64 * 1024
"""All heads of an answer together, interim ones (1xx) included; beyond it the answer is broken."""
MAX_BODY_BYTES = 64 * 1024
"""Read of an answer's body; when it continues, the status counts and the connection is not used again."""
_HEAD_END = re.compile(rb"\n\r?\n")
_HEAD_END_BYTES = 3
_START = b"HTTP/"
_SWITCHING_PROTOCOLS = 101


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


class MalformedHeadError(Exception):
    """What came is not the head of an answer."""


@dataclass(slots=True)
class ResponseHead:
    """A status and what follows from the headers. `length` is None unless the head says it."""

    status: int
    is_chunked: bool
    length: int | None
    is_kept_alive: bool
    retry_after: str | None
    date: str | None


def parse_head(raw: bytes) -> ResponseHead:
    """Read a head, its empty line included. Folded headers are unfolded, and line feeds alone end lines.

    Where an encoding and a length are given the encoding counts, and the connection is not to be used again.

    Raises:
        MalformedHeadError: it is not one, or says how long the body is in a way that cannot be understood.
    """
    status_line, *lines = _LINE_END.split(_FOLD.sub(b" ", raw.strip(b"\r\n")))
    started = _STATUS_LINE.fullmatch(status_line)
    if started is None:
        raise MalformedHeadError
    headers = _headers(lines)
    options = _tokens(headers, b"connection")
    encodings = _tokens(headers, b"transfer-encoding")
    status = int(started[2])
    has_body = status >= 200 and status not in _WITHOUT_BODY
    is_kept = "close" not in options and (started[1] not in _OLD_VERSIONS or "keep-alive" in options)
    return ResponseHead(
        status,
        is_chunked=has_body and encodings[-1:] == ["chunked"],
        length=_length(headers) if has_body and not encodings else None if has_body else 0,
        is_kept_alive=is_kept and not (encodings and b"content-length" in headers),
        retry_after=_joined(headers, b"retry-after"),
        date=_joined(headers, b"date"),
    )


def _headers(lines: list[bytes]) -> dict[bytes, list[str]]:
    headers: dict[bytes, list[str]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise MalformedHeadError
        headers.setdefault(header[1].lower(), []).append(header[2].rstrip(b" \t").decode("latin-1"))
    return headers


def _joined(headers: dict[bytes, list[str]], name: bytes) -> str | None:
    """The header's value; several are joined, as HTTP has it."""
    return ", ".join(headers[name]) if name in headers else None


def _tokens(headers: dict[bytes, list[str]], name: bytes) -> list[str]:
    tokens = ",".join(headers.get(name, ())).lower().split(",")
    return [token.strip() for token in tokens if token.strip()]


def _length(headers: dict[bytes, list[str]]) -> int | None:
    """The length of the body; one that is said several times has to be the same each time (RFC 9110 section 8.6)."""
    if b"content-length" not in headers:
        return None
    lengths = {text.strip() for text in ",".join(headers[b"content-length"]).split(",")}
    if len(lengths) > 1 or not _LENGTH.fullmatch(length := lengths.pop()):
        raise MalformedHeadError
    return int(length)


class ReadProgress(Enum):
    """How far an answer has come."""

    READING = auto()
    COMPLETE = auto()
    BROKEN = auto()


class AnswerReader:
    """One answer, fed with what arrives. `keep` is how much of its body is wanted."""

    def __init__(self, keep: int) -> None:
        self.progress = ReadProgress.READING
        self.head: ResponseHead | None = None
        """The head of the answer itself, once it has come."""
        self.body = b""
        """The first bytes of the body."""
        self.is_reusable = False
        """Complete, nothing behind it, and the server keeps the connection open."""
        self._keep = keep
        self._head_bytes = 0
        self._unread = b""
        self._body_bytes = 0
        self._chunks = Chunks()

    @property
    def status(self) -> int:
        """The answer's status; 0 until its head has come."""
        return self.head.status if self.head else 0

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if self.progress is ReadProgress.READING and self.head is None:
            chunk = self._read_heads(chunk)
        if self.progress is ReadProgress.READING and self.head is not None:
            chunk = self._read_body(self.head, chunk)
        # Nobody asked for what comes behind an answer; empty lines do no harm.
        if chunk.strip(b"\r\n"):
            self.is_reusable = False

    def end(self) -> None:
        """The server has said all it is going to say."""
        if self.progress is ReadProgress.READING:
            is_whole = self.head is not None and not self.head.is_chunked and self.head.length is None
            self.progress = ReadProgress.COMPLETE if is_whole else ReadProgress.BROKEN

    def _read_heads(self, chunk: bytes) -> bytes:
        """Look for the answer's head behind the interim ones, and return what comes behind it."""
        searched = max(0, len(self._unread) - _HEAD_END_BYTES)
        self._unread = (self._unread + chunk).lstrip(b"\r\n")  # empty lines before a status line do no harm
        while self.head is None and self.progress is ReadProgress.READING:
            end = _HEAD_END.search(self._unread, searched)
            is_head = self._is_head_so_far(end.end() if end else len(self._unread))
            if end is None or not is_head:
                return b""
            self._take_head(self._unread[: end.end()])
            self._unread, searched = self._unread[end.end() :], 0
        rest, self._unread = self._unread, b""
        return rest

    def _is_head_so_far(self, size: int) -> bool:
        """Do not wait for the end of what is not a head, or is too large a one."""
        is_head = self._unread.startswith(_START[: len(self._unread)]) and self._head_bytes + size <= MAX_HEAD_BYTES
        if not is_head:
            self.progress = ReadProgress.BROKEN
        return is_head

    def _take_head(self, raw: bytes) -> None:
        self._head_bytes += len(raw)
        try:
            head = parse_head(raw)
        except MalformedHeadError:
            self.progress = ReadProgress.BROKEN
            return
        if head.status == _SWITCHING_PROTOCOLS:
            self.progress = ReadProgress.BROKEN
        elif head.status >= 200:
            self.head = head

    def _read_body(self, head: ResponseHead, chunk: bytes) -> bytes:
        """Take in what belongs to the body, and return the rest."""
        if head.is_chunked:
            try:
                part, rest = self._chunks.feed(chunk), self._chunks.surplus
            except MalformedChunkError:
                self.progress = ReadProgress.BROKEN
                return b""
            is_over = self._chunks.is_over
        else:
            left = len(chunk) if head.length is None else head.length - self._body_bytes
            part, rest = chunk[:left], chunk[left:]
            is_over = head.length is not None and len(part) == left
        self.body += part[: self._keep - len(self.body)]
        self._body_bytes += len(part)
        if is_over or self._body_bytes > MAX_BODY_BYTES:
            self.progress = ReadProgress.COMPLETE
            self.is_reusable = is_over and head.is_kept_alive and self._body_bytes <= MAX_BODY_BYTES
        return rest

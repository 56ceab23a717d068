"""Reads one answer, in whatever shape and pieces it comes."""

from __future__ import annotations

import re
from enum import Enum, auto

from stream.http.answer_head import MalformedHeadError, ResponseHead, parse_head
from stream.http.chunks import Chunks, MalformedChunkError

MAX_HEAD_BYTES = 64 * 1024
"""All heads of an answer together, interim ones (1xx) included; beyond it the answer is broken."""
MAX_BODY_BYTES = 64 * 1024
"""Read of an answer's body; when it continues, the status counts and the connection is not used again."""
_HEAD_END = re.compile(rb"\n\r?\n")
_HEAD_END_BYTES = 3
_START = b"HTTP/"
_SWITCHING_PROTOCOLS = 101


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

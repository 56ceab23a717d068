"""Reads one answer, in whatever shape and pieces it comes."""

from __future__ import annotations

from enum import Enum, auto

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD_BYTES = 64 * 1024
"""All heads of an answer together, interim ones (1xx) included; beyond it the answer is broken."""
MAX_BODY_BYTES = 64 * 1024
"""Read of an answer's body; when it goes on, the status stands and the connection is not used again."""
_STATUS_LINE_BYTES = 17
_LINE_BYTES = 4
"""The colon, the space and the line's end of a header."""


class Progress(Enum):
    """How far an answer has come."""

    READING = auto()
    COMPLETE = auto()
    BROKEN = auto()


class AnswerReader:
    """One answer, fed with what arrives. `keep` is how much of its body is wanted."""

    def __init__(self, keep: int) -> None:
        self.progress = Progress.READING
        self.status = 0
        self.body = b""
        """The first bytes of the body."""
        self.is_reusable = False
        """Complete, nothing behind it, and the server keeps the connection open."""
        self._keep = keep
        self._retry_after: list[str] = []
        self._received = 0
        self._head_bytes = 0
        self._body_bytes = 0
        self._is_in_head = True
        self._ends_with_connection = True
        self._parser = HttpResponseParser(self)

    @property
    def has_head(self) -> bool:
        """`status` is that of the answer; its body may still come."""
        return self.status >= 200 and not self._is_in_head

    @property
    def retry_after(self) -> str | None:
        """The header of that name; several are joined, as HTTP has it."""
        return ", ".join(self._retry_after) if self._retry_after else None

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._received += len(chunk)
        try:
            self._parser.feed_data(chunk)
        except (HttpParserError, HttpParserUpgrade):
            # Behind a complete answer it does not matter what comes, only that something does.
            self.is_reusable = False
            self._break()
        if self._is_in_head and self._received > MAX_HEAD_BYTES:
            self._break()

    def end(self) -> None:
        """The server has said all it is going to say."""
        is_whole = not self._is_in_head and self._ends_with_connection
        if self.progress is Progress.READING:
            self.progress = Progress.COMPLETE if is_whole else Progress.BROKEN

    def on_message_begin(self) -> None:
        """Called by the parser: another head begins, of the answer or of one that nobody asked for."""
        self._head_bytes += _STATUS_LINE_BYTES
        self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, those behind a chunked body included."""
        if not self._is_in_head:
            return
        self._head_bytes += len(name) + len(value) + _LINE_BYTES
        match name.lower():
            case b"retry-after":
                self._retry_after.append(value.decode("latin-1"))
            case b"content-length":
                self._ends_with_connection = False
            case b"transfer-encoding":
                self._ends_with_connection = not value.lower().rstrip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head."""
        if self.progress is not Progress.READING:
            return
        self.status = self._parser.get_status_code()
        if self._head_bytes > MAX_HEAD_BYTES or self.status < 100:
            self._break()
        # A body may begin now, unless this was an interim answer.
        self._is_in_head = 100 <= self.status < 200

    def on_body(self, part: bytes) -> None:
        """Called by the parser for each part of the body."""
        if self.progress is not Progress.READING:
            return
        self._body_bytes += len(part)
        self.body += part[: self._keep - len(self.body)]
        if self._body_bytes > MAX_BODY_BYTES:
            self.progress = Progress.COMPLETE

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, an interim one included."""
        if self.progress is not Progress.READING:
            return
        if self._is_in_head:
            self._retry_after.clear()
            self._ends_with_connection = True
        else:
            self.progress = Progress.COMPLETE
            self.is_reusable = self._parser.should_keep_alive()

    def _break(self) -> None:
        if self.progress is Progress.READING:
            self.progress = Progress.BROKEN

"""A quick look at bytes that are, nearly always, one whole plain answer."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from stream.http.reader import MAX_BODY_BYTES, MAX_HEAD_BYTES
from stream.model.attempts import Answer

MAX_PLAIN_BYTES = min(MAX_HEAD_BYTES, MAX_BODY_BYTES)
"""An answer up to here exceeds no limit."""


class PlainResponseParser:
    """Recognises the plain answer: a 2xx, complete, nothing behind it, its connection kept open.

    A server that says the same bytes again is not read again. Else the parser is asked for two callbacks only, and
    nothing is kept but the status; what is not plain is to be read from its first byte by `AnswerReader`.
    """

    __slots__ = ("_begun", "_kept", "_parser", "last_answer", "last_chunk")

    def __init__(self) -> None:
        self.last_chunk: bytes | None = None
        """The bytes of the last plain answer; they mean `last_answer`."""
        self.last_answer = Answer(0)
        self._begun = self._kept = 0
        self._parser = HttpResponseParser(self)

    def look(self, chunk: bytes) -> Answer | None:
        """The answer, when `chunk` is the whole of a plain one."""
        status = self._plain_status(chunk)
        if not status:
            self._parser = HttpResponseParser(self)  # the old one may be amid an answer
            return None
        self.last_chunk, self.last_answer = chunk, Answer(status)
        return self.last_answer

    def _plain_status(self, chunk: bytes) -> int:
        self._begun = self._kept = 0
        try:
            self._parser.feed_data(chunk)
        except (HttpParserError, HttpParserUpgrade):
            return 0
        if not self._begun == self._kept == 1 or len(chunk) > MAX_PLAIN_BYTES:
            return 0
        status = self._parser.get_status_code()
        return status if 200 <= status < 300 else 0

    def on_message_begin(self) -> None:
        """Called by the parser; a second time for an answer nobody asked for."""
        self._begun += 1

    def on_message_complete(self) -> None:
        """Called by the parser, which knows only now whether the connection stays open."""
        self._kept += self._parser.should_keep_alive()


class NothingPlain(PlainResponseParser):
    """Leaves every answer to `AnswerReader`, which keeps its body."""

    def look(self, chunk: bytes) -> Answer | None:
        """Never the answer."""
        return None

"""A quick look at bytes that are, nearly always, one whole plain answer."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from stream.webhook.fast.reader import MAX_BODY_BYTES, MAX_HEAD_BYTES

MAX_PLAIN_BYTES = min(MAX_HEAD_BYTES, MAX_BODY_BYTES)
"""An answer up to here exceeds no limit."""


class Glance:
    """Recognises the plain answer: a 2xx, complete, nothing behind it, its connection kept open.

    It asks the parser for two callbacks only and keeps nothing. Whatever is not plain is read again, by `AnswerReader`;
    a glance that has seen such a thing may be amid an answer, so it is of no further use.
    """

    __slots__ = ("_begun", "_feed", "_kept", "_parser")

    def __init__(self) -> None:
        self._begun = self._kept = 0
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data

    def plain_status(self, chunk: bytes) -> int:
        """The status, when `chunk` is the whole of a plain answer; else 0."""
        self._begun = self._kept = 0
        try:
            self._feed(chunk)
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

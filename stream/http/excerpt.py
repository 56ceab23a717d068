"""What is kept of an answer's body: a few characters for diagnostics, safe to print and without the URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

from stream.model.printable import printable

EXCERPT_CHARS = 256
SECRET_PIECE_CHARS = 8
"""Pieces of the URL shorter than this are common, such as `webhook`, not secrets."""


class Excerpts:
    """Cuts excerpts of the answers to one URL; error pages like to quote the path they were asked for."""

    def __init__(self, target: str, *, of_success: bool = False) -> None:
        """`of_success`: answers of success have one as well."""
        self.of_success = of_success
        pieces = {piece for text in (target, unquote(target)) for piece in (text, *re.split(r"[/?&=#]", text))}
        longest_first = sorted((p for p in pieces if len(p) >= SECRET_PIECE_CHARS), key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        # A piece that begins within the excerpt must be seen whole to be found.
        self.bytes_needed = 4 * EXCERPT_CHARS + len(target.encode())

    def cut(self, body: bytes) -> str:
        """The first characters of `body`, which may be a beginning of `bytes_needed` bytes."""
        text = body[: self.bytes_needed].decode("utf-8", "replace")
        if self._secret:
            text = self._secret.sub("***", text)
        return printable(text[:EXCERPT_CHARS])

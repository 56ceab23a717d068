"""Where the lines of the log go: from which level on, in which form, and without secrets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from threading import Lock
from typing import Any, Literal, TextIO

from stream.telemetry.lines import coloured_line, json_line, text_line
from stream.telemetry.mask import HIDDEN

Format = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]

_RANKS: dict[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}


class LogOutput:
    """Writes lines of `level` and above to `stream`, each with `fields`. Any thread may write."""

    def __init__(self, level: Level, format: Format, stream: TextIO, fields: Mapping[str, object]) -> None:  # noqa: A002 - the setting's name
        self._rank = _RANKS[level]
        self._render = json_line if format == "json" else coloured_line if _takes_colours(stream) else text_line
        self._writer = LineWriter(stream)
        self._fields = fields

    def takes(self, level: Level) -> bool:
        """Whether lines of this level are written."""
        return _RANKS[level] >= self._rank

    def write(self, line: Mapping[str, Any]) -> None:
        """Write a line: `event`, `level`, `at` and its own fields. Raises what a field's `str` raises."""
        # Masked before quoting: what is escaped reads otherwise than the secret.
        masked = {key: HIDDEN.mask_all(value) for key, value in {**self._fields, **line}.items()}
        self._writer.write_line(self._render(masked))


class LineWriter:
    """Writes finished lines to a stream, each as a whole and without secrets.

    A stream that is gone is not a fault of the program.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = Lock()

    def write_line(self, line: str) -> None:
        """Write one line; never raises for a closed pipe, a full disk or a letter the stream cannot spell."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(HIDDEN.mask(line) + "\n")
            self._stream.flush()


def _takes_colours(stream: TextIO) -> bool:
    """Whether a person reads the stream on a terminal, and has not asked for plain text (no-color.org)."""
    return not stream.closed and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

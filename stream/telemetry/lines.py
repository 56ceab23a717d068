"""How a log line looks (text for people, JSON for machines), and how often one that repeats itself is written."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from stream.model.printable import printable
from stream.model.timeparse import format_wall

RESERVED = ("event", "level", "at")
"""Keys of the line itself; a field of that name gets an underscore."""


COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[1;31m"}
"""Of the level on a terminal; news has none."""
PLAIN = "\x1b[0m"

MAX_KEYS = 1000

Write = Callable[[int], None]
"""Writes a line, given how many besides it were kept back."""


def coloured_line(line: Mapping[str, Any]) -> str:
    """The same as `text_line`, with the level in its colour."""
    level = str(line["level"])
    text = text_line(line)
    return text.replace(f" {level} ", f" {COLOURS[level]}{level}{PLAIN} ", 1) if level in COLOURS else text


def text_line(line: Mapping[str, Any]) -> str:
    """`2026-11-24T05:30:17.123Z warning Sentence. key=value key="with blanks"`."""
    fields = "".join(f" {printable(key)}={_text(value)}" for key, value in line.items() if key not in RESERVED)
    return f"{format_wall(line['at'])} {line['level']} {printable(str(line['event']))}{fields}"


def json_line(line: Mapping[str, Any]) -> str:
    """One JSON object: time, level, msg, and the fields."""
    head = {"time": format_wall(line["at"]), "level": line["level"], "msg": line["event"]}
    fields = {key: value for key, value in line.items() if key not in RESERVED}
    return json.dumps({**head, **fields, **head}, default=str)


def _text(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not any(char in ' "=' for char in text):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


@dataclass(slots=True)
class _Kept:
    at: float
    """Of the last line that was written."""
    suppressed: int = 0
    write: Write | None = None
    """The last of those that were kept back."""


class LineLimiter:
    """At most one line in `interval_s` per key. May be asked by any thread."""

    def __init__(self, interval_s: float = 10.0, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = interval_s
        self._max_keys = max_keys
        self._lock = Lock()
        # Invariant: in the order of the last line, so that what is dropped is what has been quiet longest.
        self._last: OrderedDict[Hashable, _Kept] = OrderedDict()

    def admit(self, key: Hashable, now: float, write: Write | None = None, every_s: float | None = None) -> int | None:
        """How many lines were kept back since the last one of `key`; None when this one is to be kept back.

        A line that is kept back and has a `write` can be written later (`overdue`). `every_s` replaces `interval_s`.
        """
        with self._lock:
            kept = self._last.get(key)
            if kept is not None and now - kept.at < (every_s or self._interval_s):
                kept.suppressed += 1
                kept.write = write
                return None
            self._last[key] = _Kept(now)
            self._last.move_to_end(key)
            if len(self._last) > self._max_keys:
                self._last.popitem(last=False)
            return 0 if kept is None else kept.suppressed

    def overdue(self, now: float, everything: bool = False) -> list[Callable[[], None]]:
        """The last line of each key that kept some back and may write again, or `everything`: each to be called once.

        So a burst ends with a line that tells how many there were.
        """
        due: list[Callable[[], None]] = []
        with self._lock:
            for kept in self._last.values():
                if kept.write is not None and (everything or now - kept.at >= self._interval_s):
                    due.append(_bound(kept.write, kept.suppressed - 1))
                    kept.at, kept.suppressed, kept.write = now, 0, None
        return due


def _bound(write: Write, others: int) -> Callable[[], None]:
    return lambda: write(others)

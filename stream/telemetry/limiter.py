"""Keeps a line that repeats itself from filling the log, and counts what it keeps back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

MAX_KEYS = 1000

Write = Callable[[int], None]
"""Writes a line, told how many besides it were kept back."""


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

        A line that is kept back and has a `write` can be told later; see `overdue`. `every_s` instead of `interval_s`.
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

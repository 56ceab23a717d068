"""Keeps a line that repeats itself from filling the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

MAX_KEYS = 1000


class LineLimiter:
    """At most one line in `interval_s` per key. May be asked by any thread."""

    def __init__(self, interval_s: float = 10.0, max_keys: int = MAX_KEYS) -> None:
        self._interval_s = interval_s
        self._max_keys = max_keys
        self._lock = Lock()
        # Invariant: in the order of the last line, so that what is dropped is what has been quiet longest.
        self._last: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def admit(self, key: Hashable, now: float) -> int | None:
        """How many lines were kept back since the last one of `key`; None when this one is to be kept back."""
        with self._lock:
            at, suppressed = self._last.get(key, (None, 0))
            if at is not None and now - at < self._interval_s:
                self._last[key] = at, suppressed + 1
                return None
            self._last[key] = now, 0
            self._last.move_to_end(key)
            if len(self._last) > self._max_keys:
                self._last.popitem(last=False)
            return suppressed

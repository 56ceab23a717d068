"""How fast something goes on, and when it will be at its end."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WINDOW_S = 15.0
"""Speeds are those of the last so many seconds."""
_LEAST_S = 1.0
"""Before that nothing is said."""


class _Mark(NamedTuple):
    at: float
    done: int
    events: int


class Meter:
    """Told now and then how far it is. Time is monotonic seconds."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._marks: deque[_Mark] = deque()

    def note(self, now: float, done: int, events: int) -> None:
        """`done` of `total` are done, and so many events have been sent."""
        self._marks.append(_Mark(now, done, events))
        while now - self._marks[0].at > WINDOW_S:
            self._marks.popleft()

    @property
    def events_per_s(self) -> float | None:
        """Events a second; None while it is too early to say."""
        passed = self._passed_s
        return None if passed < _LEAST_S else (self._marks[-1].events - self._marks[0].events) / passed

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at this speed; None while it is too early to say, or while nothing goes on."""
        if self._passed_s < _LEAST_S:
            return None
        first, last = self._marks[0], self._marks[-1]
        if last.done <= first.done:
            return None
        return (self.total - last.done) * self._passed_s / (last.done - first.done)

    @property
    def _passed_s(self) -> float:
        return self._marks[-1].at - self._marks[0].at if self._marks else 0.0

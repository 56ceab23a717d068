"""How fast a replay is, and when it will be done."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

WINDOW_S = 15.0
"""Speeds are those of the last so many seconds."""
_LEAST_S = 1.0
"""Before that nothing is said."""

Work = Mapping[str, tuple[int, int]]
"""How many are done and how many there are, of each workflow; they are worked on side by side."""


class _Mark(NamedTuple):
    at: float
    work: Work
    events: int


class Meter:
    """Told now and then how far the work is. Time is monotonic seconds."""

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()

    def note(self, now: float, work: Work, events: int) -> None:
        """So much is done by now, and so many events have been sent."""
        self._marks.append(_Mark(now, work, events))
        while now - self._marks[0].at > WINDOW_S:
            self._marks.popleft()

    @property
    def events_per_s(self) -> float | None:
        """Events a second; None while it is too early to say."""
        passed = self._passed_s
        return None if passed < _LEAST_S else (self._marks[-1].events - self._marks[0].events) / passed

    @property
    def left_s(self) -> float | None:
        """Seconds until the last is done at its speed; None while it is too early to say, or while one stands still."""
        if self._passed_s < _LEAST_S:
            return None
        first, last, longest = self._marks[0], self._marks[-1], 0.0
        for name, (done, total) in last.work.items():
            faster = done - first.work.get(name, (0, 0))[0]
            if total > done and faster <= 0:
                return None
            if total > done:
                longest = max(longest, (total - done) * self._passed_s / faster)
        return longest

    @property
    def _passed_s(self) -> float:
        return self._marks[-1].at - self._marks[0].at if self._marks else 0.0

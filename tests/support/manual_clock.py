"""Time that stands still until a test moves it, and then runs every timer that came due, in order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class ManualTimer:
    """A callback that waits for its time; fulfils `Cancel`."""

    __slots__ = ("callback", "is_cancelled")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        """Do not call back."""
        self.is_cancelled = True


class ManualClock:
    """Fulfils `Scheduler`. Starts at monotonic 0 and at the given Unix time."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self._now = 0.0
        self._wall_at_start = wall
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = count()

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    def wall(self) -> float:
        """Unix time in seconds."""
        return self._wall_at_start + self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """Call back once time reaches `when`."""
        timer = ManualTimer(callback)
        heapq.heappush(self._timers, (max(when, self._now), next(self._order), timer))
        return timer

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass; timers that they set off may set others within the same stretch."""
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._now = when
            if not timer.is_cancelled:
                timer.callback()
        self._now = end

    def jump_until(self, is_so: Callable[[], bool], limit_s: float) -> bool:
        """Let time pass, from timer to timer, until `is_so`; False when `limit_s` passed before that."""
        end = self._now + limit_s
        while not is_so():
            if not self._timers or self._timers[0][0] > end:
                self._now = end
                return is_so()
            self.jump(max(0.0, self._timers[0][0] - self._now))
        return True

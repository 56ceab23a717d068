"""How many requests may be in flight: additive increase, multiplicative decrease on round-trip time and push-back.

After the adaptive request concurrency of Vector: once a round trip's time the limit grows by one if it was reached
and the answers came no slower than usual, and shrinks by a tenth when the workflow pushed back (429, 5xx, timeout)
or the answers came far slower than usual. Time is monotonic seconds, each attempt is measured, never its backoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

ALPHA = 0.4
"""Weight of the newest window in the usual round-trip time."""
DEVIATIONS = 2.5
"""Answers this many standard deviations slower than usual count as push-back, ..."""
SLACK_S = 0.02
"""... unless they are slower by less than this: that is our own machine's noise."""
DECREASE = 0.9
INITIAL = 8


class AdaptiveLimit:
    """Between 1 and `most`. Fulfils the same as `FixedLimit`."""

    __slots__ = (
        "_count",
        "_is_pushed_back",
        "_mean",
        "_most",
        "_sum",
        "_variance",
        "_was_reached",
        "_window_end",
        "limit",
    )

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = min(most, INITIAL)
        self._mean = -1.0
        self._variance = 0.0
        self._window_end = 0.0
        self._count = 0
        self._sum = 0.0
        self._is_pushed_back = False
        self._was_reached = False

    def reached(self) -> None:
        """A request had to wait for the limit."""
        self._was_reached = True

    def observe(self, elapsed_s: Sequence[float], pushed_back: bool, now: float) -> None:
        """Attempts ended that took so long each; `pushed_back`: one of them was refused for now, or failed."""
        self._count += len(elapsed_s)
        self._sum += sum(elapsed_s)
        if pushed_back:
            self._is_pushed_back = True
        if self._count and now >= self._window_end:
            self._end_window(now)

    def _end_window(self, now: float) -> None:
        mean = self._sum / self._count
        if self._is_pushed_back or self._is_slow(mean):
            self.limit = max(1, int(self.limit * DECREASE))
        elif self._was_reached and mean <= max(self._mean, 0.0) + SLACK_S and self.limit < self._most:
            self.limit += 1
        if not self._is_pushed_back:
            self._learn(mean)
        self._window_end = now + max(mean, 0.0)
        self._count, self._sum = 0, 0.0
        self._is_pushed_back = self._was_reached = False

    def _is_slow(self, mean: float) -> bool:
        return self._mean >= 0 and mean > self._mean + max(SLACK_S, DEVIATIONS * sqrt(self._variance))

    def _learn(self, mean: float) -> None:
        if self._mean < 0:
            self._mean = mean
            return
        change = mean - self._mean
        self._mean += ALPHA * change
        self._variance = (1 - ALPHA) * (self._variance + ALPHA * change * change)


class FixedLimit:
    """A fixed number."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def reached(self) -> None:
        """Nothing to learn."""

    def observe(self, elapsed_s: Sequence[float], pushed_back: bool, now: float) -> None:
        """Nothing to learn."""

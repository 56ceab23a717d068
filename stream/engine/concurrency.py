"""How many requests may be in flight: additive increase, multiplicative decrease on round-trip time and push-back.

After the adaptive request concurrency of Vector: once a round trip's time the limit grows by one if it was reached
and the answers came no slower than usual, and shrinks by a tenth when the workflow pushed back (429, 5xx, timeout)
or the answers came far slower than usual. It begins as TCP does, with a slow start: the limit doubles once a round
trip until the first push-back, or until the round trip rises. Time is monotonic seconds, each attempt is measured,
never its backoff.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

ALPHA = 0.4
"""Weight of the newest window in the usual round-trip time."""
DEVIATIONS = 2.5
"""Answers this many standard deviations slower than usual count as push-back, ..."""
SLACK_S = 0.02
"""... unless they are slower by less than this: that is our own machine's noise."""
DECREASE = 0.9
INITIAL = 8
RISE = 1.25
"""Slow start ends when a round trip took this many times the mean of those before, ..."""
ERRORS = 3.0
"""... by more than so many standard errors of its own mean, and by more than the slack."""


class SlowStart:
    """Whether the limit may double: until the workflow pushes back or its round trip rises."""

    __slots__ = ("_count", "_sum", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self._count = 0
        self._sum = 0.0

    def has_risen(self, elapsed_s: Sequence[float]) -> bool:
        """Whether a round trip, of which these are answers, took clearly longer than those at lower limits."""
        count, total = len(elapsed_s), sum(elapsed_s)
        mean = total / count
        error = sqrt(sum((elapsed - mean) ** 2 for elapsed in elapsed_s)) / count
        risen = bool(self._count) and mean - ERRORS * error > RISE * self._sum / self._count + SLACK_S
        self._count, self._sum = self._count + count, self._sum + total
        return risen


class AdaptiveLimit:
    """Between 1 and `most`. Fulfils the same as `FixedLimit`."""

    __slots__ = (
        "_changed_at",
        "_elapsed",
        "_is_pushed_back",
        "_mean",
        "_most",
        "_slow_start",
        "_variance",
        "_was_reached",
        "_window_end",
        "limit",
    )

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = min(most, INITIAL)
        self._slow_start = SlowStart()
        self._mean = inf
        self._variance = 0.0
        self._changed_at = -inf
        self._window_end = -inf
        self._elapsed: list[float] = []
        self._is_pushed_back = False
        self._was_reached = False

    def reached(self) -> None:
        """A request had to wait for the limit."""
        self._was_reached = True

    def observe(self, elapsed_s: Sequence[float], pushed_back_s: Sequence[float], now: float) -> None:
        """Attempts ended that took so long each; those of `pushed_back_s` were refused for now, or failed.

        An answer belongs to the limit under which its request was sent; what was sent before it last doubled or shrank
        is left out. So one burst of refusals counts once.
        """
        sent_since = now - self._changed_at
        if pushed_back_s and min(pushed_back_s) <= sent_since:
            self._is_pushed_back = True
        self._elapsed += [elapsed for elapsed in elapsed_s if elapsed <= sent_since]
        if self._elapsed and self._is_round_trip_over(now):
            self._end_window(now)

    def _is_round_trip_over(self, now: float) -> bool:
        """In slow start, half of what may be in flight is enough to know."""
        if self._slow_start.is_over or self._is_pushed_back:
            return now >= self._window_end
        return 2 * len(self._elapsed) >= self.limit

    def _end_window(self, now: float) -> None:
        mean = sum(self._elapsed) / len(self._elapsed)
        if self._slow_start.is_over:
            self._adjust(mean, now)
        else:
            self._start_slowly(now)
        if not self._is_pushed_back:
            self._learn(mean)
        self._window_end = now + max(mean, 0.0)
        self._elapsed.clear()
        self._is_pushed_back = self._was_reached = False

    def _start_slowly(self, now: float) -> None:
        slow_start = self._slow_start
        if self._is_pushed_back:
            slow_start.is_over = True
            self._change(int(self.limit * DECREASE), now)
        elif slow_start.has_risen(self._elapsed):
            slow_start.is_over = True
            self._change(self.limit // 2, now)
        elif self.limit == self._most:
            slow_start.is_over = True
        elif self._was_reached:
            self._change(2 * self.limit, now)

    def _adjust(self, mean: float, now: float) -> None:
        if self._is_pushed_back or self._is_slow(mean):
            self._change(int(self.limit * DECREASE), now)
        elif self._was_reached and mean <= self._mean + SLACK_S and self.limit < self._most:
            self.limit += 1

    def _change(self, limit: int, now: float) -> None:
        self.limit = min(max(limit, 1), self._most)
        self._changed_at = now

    def _is_slow(self, mean: float) -> bool:
        return mean > self._mean + max(SLACK_S, DEVIATIONS * sqrt(self._variance))

    def _learn(self, mean: float) -> None:
        if self._mean == inf:
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

    def observe(self, elapsed_s: Sequence[float], pushed_back_s: Sequence[float], now: float) -> None:
        """Nothing to learn."""

"""A token bucket: how many requests a workflow may be sent per second."""

from __future__ import annotations

ALMOST_ONE = 1 - 1e-6
"""Waiting exactly as long as a token takes may fall short of it by the rounding of times."""
BURST_S = 0.1
"""The bucket holds this many seconds' worth of tokens, at least one."""


class RateLimit:
    """`per_s` requests a second on the average, and a tenth of a second's worth at once. Time is monotonic seconds."""

    __slots__ = ("_burst", "_per_s", "_tokens", "_updated_at")

    def __init__(self, per_s: float, now: float = 0.0) -> None:
        self._per_s = per_s
        self._burst = max(1.0, per_s * BURST_S)
        self._tokens = self._burst
        self._updated_at = now

    def take(self, now: float) -> bool:
        """Use up a token; False when there is none."""
        if now > self._updated_at:
            self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._per_s)
            self._updated_at = now
        if self._tokens < ALMOST_ONE:
            return False
        self._tokens -= 1.0
        return True

    def next_at(self) -> float:
        """When there will be a token, if none is taken before."""
        return self._updated_at + max(0.0, 1.0 - self._tokens) / self._per_s

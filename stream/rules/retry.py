"""When a failed attempt is made again, and when an event is given up."""

from __future__ import annotations

from dataclasses import dataclass

_MAX_DOUBLINGS = 40.0
"""Beyond this any real `max` is reached; keeps 2 ** n small."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter; all times in seconds."""

    initial_s: float = 0.5
    max_s: float = 60.0
    for_s: float = 4 * 3600.0
    """How long one event is tried, counted from the start of its retry clock."""

    def backoff_s(self, attempts: int, jitter: float) -> float:
        """Wait after the `attempts`-th attempt; `jitter` is a random number in [0, 1)."""
        cap: float = min(self.max_s, self.initial_s * 2.0 ** min(attempts - 1.0, _MAX_DOUBLINGS))
        return cap * jitter

    def is_expired(self, clock_start: float, due_at: float) -> bool:
        """Whether an attempt at `due_at` would lie beyond the event's time."""
        return due_at - clock_start > self.for_s

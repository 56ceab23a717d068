"""The deadlines of all attempts of a sender, kept by one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import takewhile
from time import monotonic

from stream.webhook.fast.attempt import Attempt

SHORTEST_WAIT_S = 0.001
"""The resolution of uvloop's timers: a shorter wait would spin."""


class Deadlines:
    """Calls `on_due` with each attempt that is still in flight `timeout_s` after its start.

    All have the same timeout, so the oldest is due first and one timer, set for the oldest, is enough: it goes off
    about once in `timeout_s`, however many attempts come and go. Whoever adds to `in_flight` sees to it that the timer
    is set.
    """

    def __init__(self, timeout_s: float, on_due: Callable[[Attempt], None]) -> None:
        self._timeout_s = timeout_s
        self._on_due = on_due
        self._timer: asyncio.TimerHandle | None = None
        self.is_set = False
        # Invariant: oldest first.
        self.in_flight: dict[Attempt, None] = {}

    def set(self) -> None:
        """Set the timer for the oldest attempt."""
        oldest = next(iter(self.in_flight))
        wait = max(SHORTEST_WAIT_S, oldest.started_at + self._timeout_s - monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait, self._go_off)
        self.is_set = True

    def close(self) -> None:
        """Stop the timer."""
        self.is_set = False
        if self._timer is not None:
            self._timer.cancel()

    def _go_off(self) -> None:
        self.is_set = False
        latest = monotonic() - self._timeout_s
        for attempt in list(takewhile(lambda each: each.started_at <= latest, self.in_flight)):
            # An answer to one may have ended another.
            if attempt in self.in_flight:
                self._on_due(attempt)
        if self.in_flight and not self.is_set:
            self.set()

"""What follows when a worker has ended: it is started again after a while, or all end with it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

FINAL = frozenset({0, 2, 3, 4})
"""Exit codes that say the same in every worker: done, settings, Kafka refused, records lost."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
"""Shorter than a heartbeat may be old, so that a worker that comes up at all is seen to live."""
STEADY_AFTER_S = 60.0
"""A worker that ran for so long had no trouble with its start."""


class Backoff:
    """How long to wait before the next start of one worker: twice as long each time, until one ran for long."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def after(self, ran_s: float) -> float:
        """Seconds to wait after a process that ran for `ran_s`."""
        if ran_s >= STEADY_AFTER_S:
            self._next_s = FIRST_PAUSE_S
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, LONGEST_PAUSE_S)
        return pause_s


@dataclass
class Conclusion:
    """What all workers together end with. `code` is the supervisor's exit code."""

    code: int = 0
    reason: int | None = None
    """The exit code that made them all end; None: they were asked to, or have not ended."""
    broken: list[int] = field(default_factory=list)
    """Exit codes of workers that broke while they were ending."""

    def conclude(self, code: int) -> None:
        """A worker has ended for good, and the others end with it."""
        if self.reason is None:
            self.reason = code
        self.note(code)

    def note(self, code: int) -> None:
        """A worker has ended since it was to end."""
        if code not in FINAL:
            self.broken.append(code)
        # What a worker found out for good goes before that another one broke on its way out.
        if self.code in (0, 1) and code in FINAL - {0}:
            self.code = code
        elif self.code == 0 and code not in FINAL and self.reason is None:
            self.code = 1


def told(code: int) -> str:
    """How a process ended, for a log line. Negative: the signal that ended it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"

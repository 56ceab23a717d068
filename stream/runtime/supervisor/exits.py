"""Exit codes of workers, when the next start is due, and what all of them end with."""

from __future__ import annotations

import signal
from dataclasses import dataclass

SETTINGS, REFUSED, RECORDS_LOST = 2, 3, 4
KEPT_FROM_STARTING = frozenset({SETTINGS, REFUSED})
"""Final once every worker has met one of them at its first start; else a local or passing matter."""
AT_THE_END = frozenset({0, RECORDS_LOST})
"""With `--until-end`: everything on the topics is done, by whichever worker, apart from what was lost."""
STOPPED_ALONE = 128 + signal.SIGTERM
"""A worker got a signal of its own, and drained and ended in order."""
IN_ORDER = frozenset({0, STOPPED_ALONE, SETTINGS, REFUSED, RECORDS_LOST})
"""Exit codes of a worker that did not break."""

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
class ExitDecision:
    """What all workers together end with. `code` is the supervisor's exit code."""

    code: int = 0
    reason: int | None = None
    """The exit code that made them all end; None: they were asked to, or have not ended."""

    def conclude(self, code: int) -> None:
        """All workers end, for a reason that holds for all."""
        if self.reason is None:
            self.reason = code
        self.note(code)

    def note(self, code: int) -> None:
        """Take down the exit code of a worker that was asked to end, or of what all end for."""
        if code in (SETTINGS, REFUSED, RECORDS_LOST):  # goes before that another one broke on its way out
            self.code = code if self.code in (0, 1) else self.code
        elif code not in IN_ORDER and self.code == 0 and self.reason is None:
            self.code = 1


def describe_exit(code: int) -> str:
    """How a process ended, for a log line. Negative: the signal that ended it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"

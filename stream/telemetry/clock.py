"""The system's time."""

from __future__ import annotations

import time


class SystemClock:
    """The real `ports.Clock`."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes backwards."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

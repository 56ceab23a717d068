"""Whether the process lives and has joined: its threads' heartbeats, never Kafka's or a workflow's state."""

from __future__ import annotations

from stream.model.ports import Clock

HEARTBEAT_MAX_AGE_S = 30.0


class Health:
    """Told by the threads, asked by the endpoint; each call may come from any thread."""

    def __init__(self, clock: Clock, max_age_s: float = HEARTBEAT_MAX_AGE_S) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._beats: dict[str, float] = {}
        self._joined = False
        self._stopping = False

    def beat(self, name: str) -> None:
        """`name` is alive. The first beat registers it: from then on it has to beat."""
        self._beats[name] = self._clock.monotonic()

    def forget(self, name: str) -> None:
        """`name` has ended as it should and no longer beats."""
        self._beats.pop(name, None)

    def joined(self) -> None:
        """A consumer group was joined; stays true whatever Kafka does later."""
        self._joined = True

    def stopping(self) -> None:
        """The process is on its way out."""
        self._stopping = True

    @property
    def ready(self) -> bool:
        """Joined at least once and not stopping."""
        return self._joined and not self._stopping

    def stale(self, now: float) -> dict[str, float]:
        """Age in seconds of each heartbeat that is overdue at the monotonic time `now`, by name."""
        ages = {name: now - at for name, at in self._beats.copy().items()}
        return {name: age for name, age in ages.items() if age > self._max_age_s}

    def healthy(self, now: float) -> bool:
        """Every registered heartbeat is fresh."""
        return not self.stale(now)

    def health_fault(self, now: float) -> str:
        """A sentence that tells which heartbeat is overdue; empty when all is well."""
        ages = ", ".join(f"{name} for {age:.0f} s" for name, age in sorted(self.stale(now).items()))
        return f"No sign of life from {ages}." if ages else ""

    def readiness_fault(self) -> str:
        """A sentence that tells why the process is not ready; empty when it is."""
        if self._stopping:
            return "Stopping."
        return "" if self._joined else "No consumer group joined yet."

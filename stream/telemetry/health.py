"""Whether the process lives and has joined: its threads' heartbeats, never Kafka's or a workflow's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest

from stream.model.held import Json
from stream.model.ports import Clock
from stream.telemetry.status.report import ProcessStatus

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

    def health_fault(self, now: float) -> str:
        """A sentence that tells which heartbeat is overdue; empty when all is well."""
        ages = ", ".join(f"{name} for {age:.0f} s" for name, age in sorted(self.stale(now).items()))
        return f"No sign of life from {ages}." if ages else ""

    def readiness_fault(self) -> str:
        """A sentence that tells why the process is not ready; empty when it is."""
        if self._stopping:
            return "Stopping."
        return "" if self._joined else "No consumer group joined yet."


class Exposed(Protocol):
    """Called by the endpoint; each call may come from any thread."""

    def metrics(self) -> bytes:
        """Every metric in Prometheus' text format."""

    def held(self) -> Json | None:
        """What is held, for /held.json; None: the process cannot say now."""

    def status(self) -> ProcessStatus | None:
        """What /status.json and the page show, old ones where there is no newer; None: there was none yet."""

    def health_fault(self) -> str:
        """A sentence that tells what gives no sign of life; empty when all is well."""

    def readiness_fault(self) -> str:
        """A sentence that tells why it is not ready; empty when it is."""


class ExposedProcess:
    """`Exposed` of this process."""

    def __init__(
        self,
        registry: CollectorRegistry,
        health: Health,
        clock: Clock,
        held: Callable[[], Json | None],
        status: Callable[[], ProcessStatus | None],
    ) -> None:
        """`held` and `status` return None while they cannot say."""
        self._registry = registry
        self._health = health
        self._clock = clock
        self._held = held
        self._status = status
        self._last_status: ProcessStatus | None = None

    def metrics(self) -> bytes:
        """The registry, read now."""
        return generate_latest(self._registry)

    def held(self) -> Json | None:
        """What the engines hold, a second old at most."""
        return self._held()

    def status(self) -> ProcessStatus | None:
        """A second old at most, unless the event loop is stuck."""
        self._last_status = self._status() or self._last_status
        return self._last_status

    def health_fault(self) -> str:
        """Which heartbeat is overdue."""
        return self._health.health_fault(self._clock.monotonic())

    def readiness_fault(self) -> str:
        """Not joined yet, or stopping."""
        return self._health.readiness_fault()

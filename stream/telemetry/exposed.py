"""What the endpoint shows: the metrics as text, and what is wrong with health and readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest

from stream.model.held import Json
from stream.model.ports import Clock
from stream.telemetry.health import Health


class Exposed(Protocol):
    """Asked by the endpoint; each call may come from any thread."""

    def metrics(self) -> bytes:
        """Every metric in Prometheus' text format."""

    def held(self) -> Json | None:
        """What is held, for /held.json; None: the process cannot say now."""

    def health_fault(self) -> str:
        """A sentence that tells what gives no sign of life; empty when all is well."""

    def readiness_fault(self) -> str:
        """A sentence that tells why it is not ready; empty when it is."""


class ExposedProcess:
    """`Exposed` of this process."""

    def __init__(
        self, registry: CollectorRegistry, health: Health, clock: Clock, held: Callable[[], Json | None]
    ) -> None:
        self._registry = registry
        self._health = health
        self._clock = clock
        self._held = held

    def metrics(self) -> bytes:
        """The registry, read now."""
        return generate_latest(self._registry)

    def held(self) -> Json | None:
        """What the engines hold, a second old at most."""
        return self._held()

    def health_fault(self) -> str:
        """Which heartbeat is overdue."""
        return self._health.health_fault(self._clock.monotonic())

    def readiness_fault(self) -> str:
        """Not joined yet, or stopping."""
        return self._health.readiness_fault()

"""What the endpoint shows: the metrics as text, and what is wrong with health and readiness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest

from stream.model.held import Json
from stream.model.ports import Clock
from stream.telemetry.health import Health
from stream.telemetry.status.report import ProcessStatus


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

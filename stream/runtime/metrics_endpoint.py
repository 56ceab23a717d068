"""Where a process shows its metrics and its health: an HTTP address of its own, unless it has a supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stream.model.ports import Logger
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import Exposed
from stream.telemetry.server import TelemetryServer


class Endpoint(Protocol):
    """Something that is asked for the metrics, until it is closed."""

    def close(self) -> None:
        """Stop answering."""


OpenEndpoint = Callable[[str, Exposed, Logger], Endpoint]
"""Opens an endpoint for the address of `http.listen`."""


def serve_http(listen: str, exposed: Exposed, logger: Logger) -> TelemetryServer:
    """Serve it on `listen`, and say where.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    server = TelemetryServer(listen, exposed, SystemClock(), logger)
    server.start()
    base = f"http://{listen.rpartition(':')[0]}:{server.port}"
    logger.info("Metrics and health are served.", url=f"{base}/metrics", status_page=f"{base}/")
    return server

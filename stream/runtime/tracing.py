"""The spans of a process, when the settings ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream import __version__
from stream.runtime.extras import require_extra
from stream.settings.model import Settings

if TYPE_CHECKING:
    from stream.telemetry.span_provider import SpanExport

CLOSE_LIMIT_S = 3.0
"""How long a stop waits until the last spans are sent."""


def require_tracing(settings: Settings) -> None:
    """Raises ConfigError when spans are asked for and the packages of the extra are missing."""
    if not settings.tracing.endpoint:
        return
    require_extra("stream.telemetry.span_provider", "otel", "tracing.endpoint", "OpenTelemetry")


def open_tracing(settings: Settings) -> SpanExport | None:
    """The way to the collector; None when there is to be none. Imports OpenTelemetry only then.

    Raises ConfigError when the packages of the extra are missing.
    """
    require_tracing(settings)
    if not settings.tracing.endpoint:
        return None
    from stream.telemetry.span_provider import SpanExport, TracingPolicy

    return SpanExport(TracingPolicy(settings.tracing.endpoint, settings.tracing.sample, __version__))

"""Opens the way to the collector: sampling, batches in a thread of their own, OTLP over HTTP."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests  # comes with the exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from stream.telemetry.group_spans import GroupSpans

SERVICE = "tray-stream"
TRACES_PATH = "/v1/traces"


@dataclass(frozen=True)
class TracingPolicy:
    """Where spans go, and of how many events."""

    endpoint: str
    """Base URL of the collector, or the full URL of its traces."""
    sample: float
    """Share of the events that have spans, 0 to 1; where the record names a sampled parent, always."""
    version: str


class SpanExport:
    """The spans of a process. Headers, timeouts, batches and resource follow the standard OTEL_* variables."""

    def __init__(self, policy: TracingPolicy, processor: SpanProcessor | None = None) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(policy.sample)),
            resource=_resource(policy.version),
            shutdown_on_exit=False,  # a collector that is gone must not keep the process: `close` has a limit
        )
        self._provider.add_span_processor(processor or BatchSpanProcessor(exporter(policy.endpoint)))
        self._tracer = self._provider.get_tracer(SERVICE, policy.version)

    def for_group(self, group: str) -> GroupSpans:
        """The spans of one consumer group."""
        return GroupSpans(self._tracer, group)

    async def close(self, limit_s: float) -> bool:
        """Send what is left, for `limit_s` seconds at most; whether that was enough."""
        closing = threading.Thread(target=self._provider.shutdown, name="tracing-shutdown", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, limit_s)
        return not closing.is_alive()


def exporter(endpoint: str) -> OTLPSpanExporter:
    """Sends to `endpoint`; like every request of this program without the environment's proxies and .netrc."""
    session = requests.Session()
    session.trust_env = False
    return OTLPSpanExporter(traces_url(endpoint), session=session)


def traces_url(endpoint: str) -> str:
    """The URL that spans are posted to: the usual path behind a base URL."""
    path = urlsplit(endpoint).path
    return endpoint if path.endswith(TRACES_PATH) else endpoint.rstrip("/") + TRACES_PATH


def _resource(version: str) -> Resource:
    ours = Resource.create({"service.name": SERVICE, "service.version": version})
    return ours.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win

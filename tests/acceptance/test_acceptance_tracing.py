"""Tracing as an operator has it: spans arrive at a collector by OTLP over HTTP, and a dead collector stops nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance_support import Scene, call, make_event
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from support.behaviours import first, hanging
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events

pytestmark = pytest.mark.acceptance

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
EVENT = b'{"type":"identify","userId":"ann","messageId":"m-1"}'


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic with one event whose producer handed its trace on."""
    apache_kafka.create_topic(topic_name, 1)
    produce_events(apache_kafka.bootstrap, topic_name, [(b"ann", EVENT, 0, [("traceparent", PARENT.encode())])])
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


@pytest.fixture
def collector() -> Iterator[FaultReceiver]:
    """Where spans are sent to."""
    with FaultReceiver() as server:
        yield server


def spans_at(collector: FaultReceiver) -> tuple[dict[str, str], list[Span]]:
    """What the collector was told of the program, and every span."""
    told = [ExportTraceServiceRequest.FromString(arrival.body) for arrival in collector.arrivals("/v1/traces")]
    resources = [resource for request in told for resource in request.resource_spans]
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    return attributes(list(resources[0].resource.attributes)), spans


def attributes(pairs: list[KeyValue]) -> dict[str, str]:
    """Attributes as text."""
    return {pair.key: pair.value.string_value or str(pair.value.int_value) for pair in pairs}


def test_spans_reach_the_collector(scene: Scene, collector: FaultReceiver) -> None:
    """The producer's trace goes on: delivery, two attempts, and the workflow hears of the second one."""
    scene.receiver.script("/orders", first(503))
    scene.configure(
        scene.workflow("orders"), retry={"initial": "10ms"}, tracing={"endpoint": collector.url("").rstrip("/")}
    )
    done = call(scene.directory, "run", "--until-end", env={"OTEL_RESOURCE_ATTRIBUTES": "deployment=test"})
    assert done.returncode == 0, done.stderr
    resource, spans = spans_at(collector)
    assert resource.items() >= {"service.name": "tray-stream", "deployment": "test"}.items()
    delivery = next(span for span in spans if span.name == f"process {scene.topic}")
    attempts = sorted((span for span in spans if span.name == "POST"), key=lambda span: span.start_time_unix_nano)
    assert {span.trace_id.hex() for span in spans} == {TRACE_ID}
    assert delivery.parent_span_id.hex() == "00f067aa0ba902b7"
    assert [span.parent_span_id for span in attempts] == [delivery.span_id] * 2
    assert [attributes(list(span.attributes))["http.response.status_code"] for span in attempts] == ["503", "200"]
    sent = [arrival.headers["traceparent"] for arrival in scene.receiver.arrivals("/orders")]
    assert sent == [f"00-{TRACE_ID}-{span.span_id.hex()}-01" for span in attempts]


def test_a_dead_collector_costs_no_event(scene: Scene, collector: FaultReceiver) -> None:
    """Everything is delivered and committed; the end waits three seconds at most, and says what was not sent."""
    collector.script("/v1/traces", hanging())
    scene.produce([make_event(1)])
    scene.configure(scene.workflow("orders"), tracing={"endpoint": collector.url("").rstrip("/"), "sample": 1})
    began = time.monotonic()
    done = call(scene.directory, "run", "--until-end")
    assert done.returncode == 0, done.stderr
    assert scene.committed() == {0: 2}
    assert "The last spans could not be sent in time." in done.stderr
    assert time.monotonic() - began < 30


def test_off_hands_the_traceparent_on_as_it_is(scene: Scene) -> None:
    """Without a collector the workflow gets the producer's own traceparent."""
    scene.configure(scene.workflow("orders"))
    assert call(scene.directory, "run", "--until-end").returncode == 0
    (arrival,) = scene.receiver.arrivals("/orders")
    assert arrival.headers["traceparent"] == PARENT


def test_a_wrong_endpoint_is_a_mistake_in_the_settings(scene: Scene) -> None:
    """It is refused with its place and a fix before anything is read."""
    scene.configure(scene.workflow("orders"), tracing={"endpoint": "collector:4318", "sample": 2})
    done = call(scene.directory, "run", "--until-end")
    assert done.returncode == 2
    assert "tracing.endpoint: has no scheme. Write https://… in front of it." in done.stderr
    assert "tracing.sample: " in done.stderr

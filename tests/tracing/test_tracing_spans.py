"""What spans an engine makes, read from memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import orjson
import pytest
from assertions import every
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.engine_world import EngineWorld, event
from support.scripted_workflow import statuses

from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.policies import WorkflowPolicy
from stream.telemetry.group_spans import GroupSpans
from stream.telemetry.span_provider import SpanExport, TracingPolicy, traces_url

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = PARENT[:-2] + "00"


class Memory:
    """Spans of one group, in memory."""

    def __init__(self, sample: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        policy = TracingPolicy("http://unused", sample, "1.0")
        self._tracing = SpanExport(policy, SimpleSpanProcessor(self._exporter))
        self.spans: GroupSpans = self._tracing.for_group("tray")

    @property
    def deliveries(self) -> list[ReadableSpan]:
        """Spans of deliveries that have ended."""
        return [span for span in self._exporter.get_finished_spans() if span.kind is SpanKind.CONSUMER]

    @property
    def attempts(self) -> list[ReadableSpan]:
        """Spans of attempts that have ended."""
        return [span for span in self._exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]

    def close(self) -> None:
        """End."""
        assert asyncio.run(self._tracing.close(5.0))


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Where spans end up."""
    opened = Memory()
    yield opened
    opened.close()


def attributes(span: ReadableSpan) -> dict[str, object]:
    """What a span says."""
    return dict(span.attributes or {})


def parents_of(spans: list[ReadableSpan]) -> list[str]:
    """The span ids of their parents."""
    return [f"{span.parent.span_id:016x}" if span.parent else "" for span in spans]


def recorded(world: EngineWorld, answer: int = 200) -> list[dict[str, str]]:
    """Let the only workflow note the headers of what it gets."""
    seen: list[dict[str, str]] = []

    def script(request: HttpRequest) -> Answer:
        seen.append(dict(request.headers))
        return Answer(answer)

    world.workflows["orders"].script = script
    return seen


def put_traced(world: EngineWorld, parent: str) -> None:
    """Write one event whose producer handed a trace on."""
    value = orjson.dumps(event("ann", "traced"))
    world.broker.append(world.partitions[0], value, key=b"ann", headers=[("traceparent", parent.encode())])


def test_a_delivery_holds_its_attempts(memory: Memory) -> None:
    """Two failures and a success are three attempts in one delivery, each with its code."""
    world = EngineWorld("orders", spans=memory.spans)
    world.put("ann")
    world.workflows["orders"].script = statuses(503, 500)
    world.assign_all()
    world.run()
    (delivery,) = memory.deliveries
    assert [attributes(span)["http.response.status_code"] for span in memory.attempts] == [503, 500, 200]
    assert [attributes(span).get("http.request.resend_count") for span in memory.attempts] == [None, 1, 2]
    assert [attributes(span).get("error.type") for span in memory.attempts] == ["503", "500", None]
    assert delivery.context is not None
    assert parents_of(memory.attempts) == [f"{delivery.context.span_id:016x}"] * 3
    assert delivery.name == "process events"
    expected = {
        "messaging.destination.name": "events",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "tray",
        "tray.workflow": "orders",
        "tray.type": "track",
        "tray.outcome": "delivered",
        "tray.attempts": 3,
    }
    assert attributes(delivery).items() >= expected.items()


def test_a_request_that_is_sent_again_is_an_event_of_its_attempt(memory: Memory) -> None:
    """One span for both, which the workflow's answer ends."""
    world = EngineWorld("orders", spans=memory.spans)
    world.put("ann")
    answers = iter([RESENT, Answer(200)])
    world.workflows["orders"].script = lambda _request: next(answers)
    world.assign_all()
    world.run()
    [attempt], [delivery] = memory.attempts, memory.deliveries
    assert [event.name for event in attempt.events] == ["resent"]
    assert attributes(attempt)["http.response.status_code"] == 200
    assert attributes(delivery)["tray.attempts"] == 2


def test_no_span_names_a_user_or_a_url(memory: Memory) -> None:
    """What spans say is bounded and holds nothing of the event's content."""
    world = EngineWorld("orders", spans=memory.spans)
    world.put("ann-the-user")
    world.assign_all()
    world.run()
    said = [value for span in memory.deliveries + memory.attempts for value in attributes(span).values()]
    assert said
    assert every(not ("ann" in str(value) or "http" in str(value)) for value in said)


def test_each_workflow_has_a_delivery_of_its_own(memory: Memory) -> None:
    """An event that goes to two workflows has two deliveries; one rejects it, and its span is an error."""
    world = EngineWorld("orders", "audit", spans=memory.spans)
    world.put("ann")
    world.workflows["audit"].script = statuses(422)
    world.assign_all()
    world.run()
    ends = {attributes(span)["tray.workflow"]: attributes(span) for span in memory.deliveries}
    assert ends["orders"]["tray.outcome"] == "delivered"
    assert (ends["audit"]["tray.outcome"], ends["audit"]["tray.reason"]) == ("dead_lettered", "rejected")
    assert [s.status.status_code for s in memory.deliveries].count(StatusCode.ERROR) == 1


def test_the_record_is_the_parent_and_the_attempt_goes_on_the_wire(memory: Memory) -> None:
    """One trace from the producer to the workflow: record, delivery, attempt, request."""
    world = EngineWorld("orders", spans=memory.spans)
    put_traced(world, PARENT)
    seen = recorded(world)
    world.assign_all()
    world.run()
    (attempt,) = memory.attempts
    assert attempt.context is not None
    assert seen[0]["traceparent"] == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{attempt.context.span_id:016x}-01"
    assert parents_of(memory.deliveries) == ["00f067aa0ba902b7"]


def test_sampling(memory: Memory) -> None:
    """A record whose trace is not sampled makes no spans, and the workflow is told so; else the share decides."""
    none = Memory(sample=0.0)
    world = EngineWorld("orders", spans=memory.spans)
    put_traced(world, UNSAMPLED)
    seen = recorded(world)
    world.assign_all()
    world.run()
    assert memory.deliveries + memory.attempts == []
    assert seen[0]["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert seen[0]["traceparent"].endswith("-00")
    unsampled = EngineWorld("orders", spans=none.spans)
    unsampled.put("bob")
    put_traced(unsampled, PARENT)
    unsampled.assign_all()
    unsampled.run()
    assert parents_of(none.deliveries) == ["00f067aa0ba902b7"]
    none.close()


def test_what_goes_away_is_abandoned_and_nothing_stays_open(memory: Memory) -> None:
    """A partition that is lost ends the spans of its deliveries, and those of attempts in flight."""
    world = EngineWorld("orders", spans=memory.spans, workflows=[WorkflowPolicy("orders", max_in_flight=1)])
    world.put("ann")
    world.put("bob")
    world.workflows["orders"].script = lambda _request: None
    world.assign_all()
    world.clock.jump(1)
    assert memory.spans.open_count == 1
    world.member.lose(*world.partitions)
    world.clock.jump(30)
    assert memory.spans.open_count == 0
    assert [attributes(span)["tray.outcome"] for span in memory.deliveries] == ["abandoned"]
    assert [attributes(span)["error.type"] for span in memory.attempts] == ["cancelled"]


def test_the_path_of_the_collector() -> None:
    """A base URL gets OTLP's path; a full one is left alone."""
    assert traces_url("http://collector:4318") == "http://collector:4318/v1/traces"
    assert traces_url("http://collector:4318/") == "http://collector:4318/v1/traces"
    assert traces_url("https://otel.example.com/x/v1/traces") == "https://otel.example.com/x/v1/traces"


def test_off_imports_nothing_of_it() -> None:
    """Without an endpoint neither OpenTelemetry nor our own package for it is loaded."""
    found = "[m for m in sys.modules if 'opentelemetry' in m or '_span' in m]"
    code = f"import sys, stream.runtime.processor; print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The spans of one consumer group: one for each delivery of an event to a workflow, one in it for each attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.events import Event, FilterReason, Reason, type_label
from stream.model.ports import Attempt, AttemptResult, Build, OnResults, Sender
from stream.model.records import Record, TopicPartition
from stream.rules.listener import Spans
from stream.rules.request import traceparent

_PROPAGATOR = TraceContextTextMapPropagator()
ABANDONED = "abandoned"
"""The partition went away first; its next owner delivers the event again."""

Key = tuple[int, str | None]
"""Offset and workflow, within a partition."""


@dataclass(slots=True)
class OpenDelivery:
    """A delivery that has begun and has not ended."""

    span: Span
    context: Context
    attempts: int = 0


class GroupSpans(Spans):
    """The spans of one consumer group; called on the event loop alone.

    A delivery's span begins with its first attempt; how long the event had waited until then is `tray.age_ms`.
    """

    def __init__(self, tracer: Tracer, group: str) -> None:
        self._tracer = tracer
        self._group = group
        self._open: dict[TopicPartition, dict[Key, OpenDelivery]] = {}

    @property
    def open_count(self) -> int:
        """Deliveries that have begun and have not ended."""
        return sum(map(len, self._open.values()))

    def around_build(self, workflow: str, build: Build) -> Build:
        """The same, with a span for each request."""
        return partial(self._build, workflow, build)

    def around_sender(self, sender: Sender) -> Sender:
        """The same, which ends the spans of the requests it sends."""
        return TracedSender(sender)

    def on_delivered(self, record: Record, workflow: str, attempts: int, status: int) -> None:
        """The delivery's span ends well."""
        self._end(record, workflow, "delivered", attempts=attempts)

    def on_filtered(self, record: Record, workflow: str | None, reason: FilterReason) -> None:
        """End the event's spans: the settings no longer send it."""
        self._end(record, workflow, "filtered", reason)

    def on_dead_lettered(self, record: Record, workflow: str | None, reason: Reason, topic_id: str) -> None:
        """The delivery's span ends with an error."""
        self._end(record, workflow, "dead_lettered", reason)

    def on_assigned(self, tp: TopicPartition, start: int, topic_id: str) -> None:
        """What was open of an earlier assignment ends."""
        self._abandon(tp)

    def on_revoked(self, tp: TopicPartition) -> None:
        """What is open is the next owner's."""
        self._abandon(tp)

    def on_lost(self, tp: TopicPartition) -> None:
        """What is open is the next owner's."""
        self._abandon(tp)

    def on_stopped(self) -> None:
        """What is still open ends."""
        for tp in list(self._open):
            self._abandon(tp)

    def _build(self, workflow: str, build: Build, event: Event) -> HttpRequest:
        request = build(event)
        delivery = self._delivery(workflow, event)
        delivery.attempts += 1
        span = self._attempt(workflow, delivery) if delivery.span.is_recording() else delivery.span
        return HttpRequest(with_traceparent(request.own, span), request.body, request.constant, span=span)

    def _attempt(self, workflow: str, delivery: OpenDelivery) -> Span:
        attributes: dict[str, str | int] = {"http.request.method": "POST", "tray.workflow": workflow}
        if delivery.attempts > 1:
            attributes["http.request.resend_count"] = delivery.attempts - 1
        return self._tracer.start_span("POST", delivery.context, SpanKind.CLIENT, attributes)

    def _delivery(self, workflow: str, event: Event) -> OpenDelivery:
        record = event.record
        tp, key = TopicPartition(record.topic, record.partition), (record.offset, workflow)
        of_partition = self._open.setdefault(tp, {})
        delivery = of_partition.get(key)
        if delivery is None:
            delivery = of_partition[key] = self._begin(workflow, event)
        return delivery

    def _begin(self, workflow: str, event: Event) -> OpenDelivery:
        record = event.record
        parent = traceparent(record.headers) if record.headers else None
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else Context()
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.consumer.group.name": self._group,
            "tray.workflow": workflow,
            "tray.type": type_label(event.type),
        }
        if record.timestamp_ms >= 0:
            attributes["tray.age_ms"] = max(0, time.time_ns() // 1_000_000 - record.timestamp_ms)
        span = self._tracer.start_span(f"process {record.topic}", context, SpanKind.CONSUMER, attributes)
        return OpenDelivery(span, set_span_in_context(span, context))

    def _end(self, record: Record, workflow: str | None, outcome: str, reason: str = "", attempts: int = 0) -> None:
        of_partition = self._open.get(TopicPartition(record.topic, record.partition))
        delivery = of_partition.pop((record.offset, workflow), None) if of_partition else None
        if delivery is None:
            return
        delivery.attempts = max(delivery.attempts, attempts)  # with requests that a sender had to send again
        if reason:
            delivery.span.set_attribute("tray.reason", reason)
        if outcome == "dead_lettered":
            delivery.span.set_status(Status(StatusCode.ERROR, reason))
        _finish(delivery, outcome)

    def _abandon(self, tp: TopicPartition) -> None:
        for delivery in self._open.pop(tp, {}).values():
            _finish(delivery, ABANDONED)


def _finish(delivery: OpenDelivery, outcome: str) -> None:
    delivery.span.set_attribute("tray.outcome", outcome)
    delivery.span.set_attribute("tray.attempts", delivery.attempts)
    delivery.span.end()


class TracedSender:
    """`ports.Sender` that ends the spans of the requests it sends."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._on_results: OnResults | None = None
        self._spans: dict[int, Span] = {}
        """Of attempts under way, by their identity."""

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Send as the inner sender does."""
        if isinstance(request.span, Span):
            self._spans[id(attempt)] = request.span
        self._on_results = on_results
        self._sender.send(request, attempt, self._answered)

    def cancel(self, attempt: Attempt) -> None:
        """Give the attempt up; its span says so."""
        self._sender.cancel(attempt)
        if (span := self._spans.pop(id(attempt), None)) is not None:
            _end(span, "cancelled")

    async def close(self) -> None:
        """Close the inner sender."""
        await self._sender.close()

    def _answered(self, answered: Sequence[AttemptResult]) -> None:
        for attempt, answer, _ in answered:
            if answer is RESENT:
                self._note_resent(attempt)
            elif (span := self._spans.pop(id(attempt), None)) is not None:
                _end_with(span, answer)
        if self._on_results is not None:
            self._on_results(answered)

    def _note_resent(self, attempt: Attempt) -> None:
        if (span := self._spans.get(id(attempt))) is not None:
            span.add_event("resent")


def with_traceparent(headers: list[tuple[str, str]], span: Span) -> list[tuple[str, str]]:
    """`headers` with the span's own traceparent in the place of any other."""
    context = span.get_span_context()
    value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return [*(header for header in headers if header[0].lower() != "traceparent"), ("traceparent", value)]


def _end_with(span: Span, answer: Answer) -> None:
    if answer.status:
        span.set_attribute("http.response.status_code", answer.status)
    _end(span, "" if 200 <= answer.status < 300 else answer.code)


def _end(span: Span, error: str) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()

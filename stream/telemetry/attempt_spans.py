"""The span of one attempt: it travels with the request, names itself to the workflow, and ends with the answer."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.trace import Span, Status, StatusCode

from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.ports import Attempt, AttemptResult, OnResults, Sender


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

"""The span of one attempt: it travels with the request, names itself to the workflow, and ends with the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from opentelemetry.trace import Span, Status, StatusCode

from stream.core.model import Answer, HttpRequest
from stream.core.ports import Cancel, Sender

OnAnswer = Callable[[Answer], None]


@dataclass(slots=True)
class TracedRequest(HttpRequest):
    """A request and the span of its attempt."""

    span: Span


class TracedSender:
    """`ports.Sender` that ends the spans of the requests it sends."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def send(self, request: HttpRequest, on_answer: OnAnswer) -> Cancel:
        """Send as the inner sender does."""
        if not isinstance(request, TracedRequest):
            return self._sender.send(request, on_answer)
        return TracedCancel(self._sender.send(request, partial(_answered, request.span, on_answer)), request.span)

    async def close(self) -> None:
        """Close the inner sender."""
        await self._sender.close()


@dataclass(slots=True)
class TracedCancel:
    """`ports.Cancel` of an attempt that has a span."""

    inner: Cancel
    span: Span

    def cancel(self) -> None:
        """Give the attempt up; its span says so."""
        self.inner.cancel()
        _end(self.span, "cancelled")


def with_traceparent(headers: list[tuple[str, str]], span: Span) -> list[tuple[str, str]]:
    """`headers` with the span's own traceparent in the place of any other."""
    context = span.get_span_context()
    value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return [*(header for header in headers if header[0].lower() != "traceparent"), ("traceparent", value)]


def _answered(span: Span, on_answer: OnAnswer, answer: Answer) -> None:
    if answer.status:
        span.set_attribute("http.response.status_code", answer.status)
    _end(span, "" if 200 <= answer.status < 300 else answer.code)
    on_answer(answer)


def _end(span: Span, error: str) -> None:
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()

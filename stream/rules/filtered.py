"""What a workflow's filters (FQL) leave of an event: nothing, all of it, or a body of its own."""

from __future__ import annotations

from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.pipeline import Pipeline, body_of
from stream.model.events import Event, FilterReason
from stream.rules.decode import parse_json


def judge(event: Event, pipeline: Pipeline) -> FilterReason | None:
    """Why the event is not sent; None when it is. Keeps the body that is sent with the event. Needs its payload."""
    refusal, payload = pipeline.judge(event.payload, event.type, event.record)
    if refusal is not None:
        return FilterReason(refusal)
    if pipeline.changes:
        try:
            _keep(event, pipeline, payload)
        except EvaluationError:
            return FilterReason.FILTER_ERROR
    return None


def filtered_body(event: Event, pipeline: Pipeline) -> bytes:
    """What is sent of an event that these filters let through: its own bytes where they changed nothing.

    Reads the event again when it was routed by other filters. Raises EvaluationError for one that is not to be sent.
    """
    kept = None if event.filtered is None else event.filtered.get(pipeline)
    if kept is not None or not pipeline.changes:
        return event.body if kept is None else kept
    payload: dict[str, Any] = event.payload or parse_json(event.body)
    refusal, changed = pipeline.judge(payload, event.type, event.record)
    if refusal is not None:
        raise EvaluationError(f"the event is not to be sent: {refusal}")
    return event.body if changed is payload else body_of(changed)


def _keep(event: Event, pipeline: Pipeline, payload: dict[str, Any]) -> None:
    """Another body counts for the limits of what is held, as it stays with the event until it is settled."""
    bodies = event.filtered
    if bodies is None:
        bodies = event.filtered = {}
    if payload is event.payload:
        bodies[pipeline] = event.body
        return
    body = bodies[pipeline] = body_of(payload)
    event.record.derived_bytes += len(body)

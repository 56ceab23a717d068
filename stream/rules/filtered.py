"""What a workflow's filters (FQL) leave of an event: nothing, all of it, or a body of its own."""

from __future__ import annotations

from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.pipeline import Pipeline, body_of
from stream.model.events import Event, FilterReason
from stream.rules.parse import parse_json


def judge(event: Event, pipeline: Pipeline) -> FilterReason | None:
    """Why the event is not sent; None when it is. Keeps the body that is sent with the event. Needs its payload.

    Another body counts for the limits of what is held, as it stays with the event until it is settled.
    """
    payload = event.payload
    refusal, changed = pipeline.judge(payload, event.type, event.record)
    if refusal is not None:
        return FilterReason(refusal)
    if pipeline.changes:
        body = event.body
        if changed is not payload:
            try:
                body = body_of(changed)
            except EvaluationError:
                return FilterReason.FILTER_ERROR
            event.record.derived_bytes += len(body)
        event.filtered = (*event.filtered, (pipeline, body))
    return None


def filtered_body(event: Event, pipeline: Pipeline) -> bytes:
    """What is sent of an event that these filters let through: its own bytes where they changed nothing.

    Reads the event again when it was routed by other filters. Raises EvaluationError for one that is not to be sent.
    """
    for made_by, body in event.filtered:
        if made_by is pipeline:
            return body
    payload: dict[str, Any] = event.payload or parse_json(event.body)
    refusal, changed = pipeline.judge(payload, event.type, event.record)
    if refusal is not None:
        raise EvaluationError(f"the event is not to be sent: {refusal}")
    return event.body if changed is payload else body_of(changed)

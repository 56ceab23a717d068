"""What a workflow's filters (FQL) leave of an event: nothing, all of it, or a body of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.pipeline import Pipeline, Refusal, Transform, body_of
from stream.model.events import Event, FilterReason
from stream.rules.parse import parse_json

Look = Callable[[Event], FilterReason | None]
"""Why an event is not sent; None when it is. Needs its payload, and keeps the body that is sent with the event."""

_REASONS: dict[Refusal, FilterReason] = {
    "where": FilterReason.WHERE,
    "sampled": FilterReason.SAMPLED,
    "filter": FilterReason.FILTER,
    "filter_error": FilterReason.FILTER_ERROR,
}


@lru_cache(256)
def looker(pipeline: Pipeline) -> Look:
    """The function that judges events by these filters; of one pipeline it is always the same one."""
    where, transform = pipeline.where, pipeline.transform

    def look(event: Event) -> FilterReason | None:
        try:
            if where is not None and not where(event.payload):
                return FilterReason.WHERE
            return None if transform is None else _transformed(event, transform)
        except (EvaluationError, RecursionError):
            return FilterReason.FILTER_ERROR

    return look


def _transformed(event: Event, transform: Transform) -> FilterReason | None:
    """Bodies count for the limits of what is held, as they stay with the event until it is settled.

    One that several workflows get is made once.
    """
    made = event.filtered
    if made and any(made_by is transform for made_by, _ in made):
        return None
    payload = event.payload
    if transform.drops is not None and event.type != "delete":
        changed = transform.drops(payload)
    else:
        changed = transform.apply(payload, event.type, event.record)
        if isinstance(changed, str):
            return _REASONS[changed]
        if not transform.changes:
            return None
    if changed is payload:
        event.filtered = (*made, (transform, event.body))
        return None
    body = body_of(changed)
    event.record.derived_bytes += len(body)
    event.filtered = (*made, (transform, body))
    return None


def filtered_body(event: Event, pipeline: Pipeline) -> bytes:
    """What is sent of an event that these filters let through: its own bytes where they changed nothing.

    Reads the event again when it was routed by other filters. Raises EvaluationError for one that is not to be sent.
    """
    for made_by, body in event.filtered:
        if made_by is pipeline.transform:
            return body
    payload: dict[str, Any] = event.payload or parse_json(event.body)
    refusal, changed = pipeline.judge(payload, event.type, event.record)
    if refusal is not None:
        raise EvaluationError(f"the event is not to be sent: {refusal}")
    return event.body if changed is payload else body_of(changed)

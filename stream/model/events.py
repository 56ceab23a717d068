"""Segment events, why a record is none, and how an event ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stream.model.attempts import HttpRequest
from stream.model.records import Record

SEGMENT_TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")


CUSTOM_TYPE = "custom"
"""Metric label of every type that is not one of Segment's seven; keeps the label bounded."""


@dataclass(slots=True, init=False)
class Event:
    """A record that parsed as a Segment event."""

    record: Record
    body: bytes
    """The JSON bytes, framing stripped."""
    type: str
    """Trimmed and lower-cased; `unknown` when validation is off and there is none."""
    user: str | None
    """userId, else anonymousId, else groupId, as text: the lane of `ordering = "user"`."""
    message_id: str | None
    payload: dict[str, Any]
    """`NO_PAYLOAD` once it is routed: a parsed event takes several times its bytes, which is what the limits count."""
    made: HttpRequest | None = None
    """The last request that was made of it; those to the next workflows are often the same, but for `constant`."""
    notification: bytes | None = None
    """What is sent of a delete event, once it was made."""
    filtered: tuple[tuple[object, bytes], ...] = ()
    """Bodies that workflows' filters left of it, each with the filters; its own bytes where nothing changed."""

    def __init__(
        self,
        record: Record,
        body: bytes,
        type: str,  # noqa: A002 - as the field is named
        user: str | None,
        message_id: str | None,
        payload: dict[str, Any],
        made: HttpRequest | None = None,
        notification: bytes | None = None,
        filtered: tuple[tuple[object, bytes], ...] = (),
    ) -> None:
        self.record = record
        self.body = body
        self.type = type
        self.user = user
        self.message_id = message_id
        self.payload = payload
        self.made = made
        self.notification = notification
        self.filtered = filtered


NO_PAYLOAD: dict[str, Any] = {}


def type_label(type_: str) -> str:
    """An event's type as a bounded metric label."""
    return type_ if type_ in SEGMENT_TYPES else CUSTOM_TYPE


class Reason(StrEnum):
    """Why a record ended in the dead-letter topic."""

    INVALID_JSON = "invalid_json"
    INVALID_EVENT = "invalid_event"
    REJECTED = "rejected"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"


class FilterReason(StrEnum):
    """Why an event was not wanted."""

    TOMBSTONE = "tombstone"
    INTEGRATIONS = "integrations"
    DEVICE_MODE = "device_mode"
    TYPE = "type"
    EVENT = "event"
    REMOVED = "removed"
    """It waited for a workflow that is no longer configured."""
    WHERE = "where"
    """The workflow's statement is not true of it."""
    SAMPLED = "sampled"
    FILTER = "filter"
    """A filter drops it."""
    FILTER_ERROR = "filter_error"
    """A statement has no value for it; it is never sent unfiltered."""
    GIVEN_UP = "given_up"
    """The settings name it, and there is no dead-letter topic."""


class Settlement(StrEnum):
    """The one end of an admitted offset."""

    DELIVERED = "delivered"
    FILTERED = "filtered"
    DEAD_LETTERED = "dead_lettered"
    AVOIDED = "avoided"
    """Received again although the commit's map had it complete."""
    ABANDONED = "abandoned"


@dataclass(slots=True)
class Invalid:
    """A record that is not an event. `detail` names the failing field, never its value."""

    reason: Reason
    detail: str
    type_label: str = CUSTOM_TYPE


@dataclass(slots=True)
class UnknownSchema:
    """A record that cannot be read yet: the schema that it was written with has to be asked for."""

    schema_id: int


@dataclass(slots=True)
class DeadLetter:
    """One record for the dead-letter topic: an event that a workflow refused, or an invalid record."""

    record: Record
    reason: Reason
    detail: str
    workflow: str | None
    status: str
    """The last attempt's code; empty for an invalid record."""
    attempts: int
    topic_id: str = ""
    """Of the record's topic; empty: unknown."""

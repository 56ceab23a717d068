"""The event that is sent: made of a few words, or a given one with a messageId of its own."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

from stream.model.events import Event
from stream.model.timeparse import format_wall
from stream.rules.deletion import with_member

TYPE = "track"
NAME = "Test Event"
USER = "test-user"
NAMED_BY = {"page": "name", "screen": "name"}
"""Where the name of an event of a type is; of any other type it is `event`."""


def made_event(type_: str | None, name: str | None, user: str | None) -> bytes:
    """A valid event of any type, as JSON."""
    kind = (type_ or TYPE).strip()
    event: dict[str, Any] = {
        "type": kind,
        "userId": user or USER,
        "timestamp": format_wall(time.time()),
        **_needed(kind.lower()),
    }
    if name is not None:
        event[NAMED_BY.get(kind.lower(), "event")] = name
    event["context"] = {"library": {"name": "tray-stream send"}}
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def with_fresh_id(event: Event) -> Event:
    """The event with a messageId that no event has had; every other byte stays."""
    message_id = f"tray-test-{uuid4().hex}"
    body = with_member(event.body, "messageId", json.dumps(message_id).encode())
    payload = {**event.payload, "messageId": message_id}
    return replace(event, record=replace(event.record, value=body), body=body, message_id=message_id, payload=payload)


def _needed(type_: str) -> dict[str, Any]:
    """What an event of the type has beside type and user."""
    needed: dict[str, dict[str, Any]] = {
        "track": {"event": NAME, "properties": {}},
        "identify": {"traits": {}},
        "page": {"name": NAME, "properties": {}},
        "screen": {"name": NAME, "properties": {}},
        "group": {"groupId": "test-group", "traits": {}},
        "alias": {"previousId": "test-previous"},
    }
    return needed.get(type_, {})

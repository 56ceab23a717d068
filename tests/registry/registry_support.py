"""What the tests of the registry share: schemas, frames, and a decoder by a registry's schemas."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastavro
from settings_support import MINIMAL, load

from stream.model.events import Event, Invalid
from stream.model.records import Record
from stream.runtime.decoding import record_decoder

EVENT_FIELDS: list[dict[str, Any]] = [
    {"name": "type", "type": "string"},
    {"name": "userId", "type": "string"},
    {"name": "event", "type": "string"},
]
EVENT = {"type": "track", "userId": "u1", "event": "Order"}


def avro(fields: list[dict[str, Any]], name: str = "Ev") -> dict[str, Any]:
    """The schema of an event with these fields more."""
    return {"type": "record", "name": name, "namespace": "x", "fields": [*EVENT_FIELDS, *fields]}


def framed(schema_id: int, payload: bytes) -> bytes:
    """A value with its frame."""
    return b"\x00" + schema_id.to_bytes(4, "big") + payload


def written(schema: Any, value: Mapping[str, Any]) -> bytes:
    """A value in Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), dict(value))
    return out.getvalue()


def decoder(
    folder: Path, url: str, kafka: str = "", rest: str = "", more: str = ""
) -> Callable[[bytes | None], Event | Invalid | None]:
    """Reads values as a command with these settings does."""
    text = MINIMAL.replace("[kafka]", f"[kafka]\n{kafka}") + f'\n[schema_registry]\nurl = "{url}"\n{more}\n{rest}'
    decode = record_decoder(load(folder, text).settings).decode
    return lambda value: decode(Record("t", 0, 1, 1_700_000_000_000, b"k", value))


def event(decoded: Event | Invalid | None) -> dict[str, Any]:
    """The JSON of an event."""
    assert isinstance(decoded, Event), decoded
    found: dict[str, Any] = json.loads(decoded.body)
    assert found == decoded.payload
    return found


def detail(decoded: Event | Invalid | None) -> str:
    """Why it is none."""
    assert isinstance(decoded, Invalid), decoded
    assert decoded.reason == "invalid_event"
    return decoded.detail

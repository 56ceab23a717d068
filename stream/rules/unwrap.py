"""The event inside a record: behind the frame of a Schema Registry, or at a dotted path; its bytes stay as they are."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson

from stream.model.events import Invalid, Reason, UnknownSchema
from stream.model.ports import Schemas
from stream.model.records import Record
from stream.rules.deletion import others_than, top_level_members
from stream.rules.parse import parse_json

FRAME = b"\x00"
"""Begins a value with the frame of a Schema Registry: then four bytes of a schema's id, then what it describes."""
FRAME_BYTES = 5

CONNECT = "connect"
CLOUDEVENTS = "cloudevents"
DEBEZIUM_OUTBOX = "debezium-outbox"
SHORTCUTS = (CONNECT, CLOUDEVENTS, DEBEZIUM_OUTBOX)

_BINARY_MODE = "ce_specversion"
"""Header of a CloudEvent whose value is the event itself."""
_BOM = "\ufeff"


class Inner(NamedTuple):
    """The event inside a record: its bytes, and the same parsed."""

    body: bytes
    payload: Any


class Unwrapper:
    """Takes the event out of parsed records, by `kafka.unwrap`."""

    def __init__(self, setting: str) -> None:
        self._is_cloudevents = setting == CLOUDEVENTS
        self._is_outbox = setting == DEBEZIUM_OUTBOX
        path = {CONNECT: "payload", CLOUDEVENTS: "data", DEBEZIUM_OUTBOX: "payload"}.get(setting, setting)
        self._names = path.split(".")
        self.missing = f"no event at {path}"
        self.not_json = f"The text at {path} is not JSON"

    def unwrap(self, record: Record, body: bytes, payload: Any) -> Inner | None:
        """The event in a record that holds `payload`, written as `body`; None: there is none.

        Raises: ValueError, RecursionError: there is a text in its place that is not JSON.
        """
        if self._is_cloudevents and _is_binary_mode(record):
            return Inner(body, payload)
        outer: Inner | None = Inner(body, payload)
        if not (self._is_outbox and isinstance(payload, str)):  # the outbox's value alone, a text
            outer = _at(outer, self._names)
        if outer is None and self._is_cloudevents:
            return _event_of(_decoded(payload))
        event = _event_of(outer)
        if event is not None and self._is_outbox and "payload" in event.payload:
            return _event_of(_at(event, ["payload"]))  # further columns were put beside it
        return event


def _is_binary_mode(record: Record) -> bool:
    return any(name.lower() == _BINARY_MODE for name, _ in record.headers or ())


def _at(outer: Inner | None, names: Sequence[str]) -> Inner | None:
    for name in names:
        outer = None if outer is None else _member(outer, name)
    return outer


def _member(outer: Inner, name: str) -> Inner | None:
    payload = outer.payload
    if not isinstance(payload, dict) or name not in payload:
        return None
    value = payload[name]
    return Inner(value_bytes(outer.body, name) if isinstance(value, dict) else b"", value)


def _event_of(found: Inner | None) -> Inner | None:
    """The object itself, or the one that a text holds."""
    if found is None or isinstance(found.payload, dict):
        return found
    if not isinstance(found.payload, str):
        return None
    text = found.payload.removeprefix(_BOM).encode("utf-8", "surrogatepass")
    payload = parse_json(text)
    return Inner(text, payload) if isinstance(payload, dict) else None


def _decoded(payload: Any) -> Inner | None:
    """The event of a CloudEvent that carries it as base64."""
    encoded = payload.get("data_base64") if isinstance(payload, dict) else None
    if not isinstance(encoded, str):
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("data_base64 holds no text") from None
    return Inner(b"", text)


def value_bytes(body: bytes, name: str) -> bytes:
    """The bytes of the top-level member `name` of the JSON object `body`, which has one; the last one of its name."""
    return _last_value(body, name) or _found_value(body, name)


def _last_value(body: bytes, name: str) -> bytes:
    """The same where it is the object's last member, as most wrappers write it; empty where it may not be."""
    key = orjson.dumps(name) + b":"
    at, end = body.rfind(key), body.rstrip().removesuffix(b"}")
    if at < 1 or body[at - 1 : at] == b"\\":  # a quote after a backslash begins no name
        return b""
    value = end[at + len(key) :].strip()
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return b""
    return value  # JSON up to the last brace: all brackets that it opens are closed, so the name is the object's own


def _found_value(body: bytes, name: str) -> bytes:
    for others in (_others(name), None):  # a name may be spelled with escapes that the pattern does not know
        spans = [(one.start, one.end) for one in top_level_members(body, others) if one.name == name]
        if spans:
            return body[slice(*spans[-1])]
    raise ValueError("The member was not found.")


@cache
def _others(name: str) -> re.Pattern[bytes]:
    return others_than((name,))


def read_framed(value: bytes, schemas: Schemas) -> bytes | Invalid | UnknownSchema:
    """The JSON that a framed value stands for, or why there is none, or the schema that it waits for."""
    if len(value) < FRAME_BYTES:
        return Invalid(Reason.INVALID_EVENT, "The framed value is cut short.")
    schema_id = int.from_bytes(value[1:FRAME_BYTES], "big")
    reader = schemas.reader(schema_id)
    if reader is None:
        return UnknownSchema(schema_id)
    if isinstance(reader, str):
        return Invalid(Reason.INVALID_EVENT, f"The framed value cannot be read: {reader}.")
    try:
        return reader.read(value, FRAME_BYTES)
    except ValueError as error:
        return Invalid(Reason.INVALID_EVENT, f"The framed value cannot be read with schema id {schema_id}: {error}.")

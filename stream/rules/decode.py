"""From a record's bytes to an event, or to why it is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from sys import getsizeof
from typing import Any, Literal

import orjson

from stream.model.events import CUSTOM_TYPE, SEGMENT_TYPES, Event, Invalid, Reason, UnknownSchema, type_label
from stream.model.ports import Schemas, Validator
from stream.model.records import Record
from stream.rules import appearance
from stream.rules.parse import parse_json, room_to_nest
from stream.rules.unwrap import FRAME, FRAME_BYTES, Inner, Unwrapper, read_framed

Mode = Literal["strict", "lenient", "off"]
Decoded = Event | Invalid | UnknownSchema | None
"""What a record is; None: a tombstone."""

UNKNOWN_TYPE = "unknown"
"""Type of an event that has none, when validation is off."""
ASCII_WHITESPACE = " \t\n\r\f\v"
"""What is trimmed from a type; the common schema's pattern names the same characters."""

_LONG_ID = 256
"""Characters of an identifier from which its text counts as held; one alone may take four bytes for each character."""
_EXACT_BELOW = 2.0**53
_LANE_FIELDS = ("userId", "anonymousId", "groupId")
_DELETE_LANE_FIELDS = ("userId", "userID")
_KNOWN_TYPES = frozenset(SEGMENT_TYPES)


class Decoder:
    """Decodes records in one of three modes (design: decode and validate).

    `strict` holds each event against the schema of its type, `lenient` against the common one only, `off`
    takes any JSON object. `unwrap` is where the event lies inside each record, as `kafka.unwrap` says; empty: the
    record is the event. `schemas` reads values with the frame of a Schema Registry; without it JSON is read behind one.
    """

    def __init__(self, mode: Mode, validator: Validator, unwrap: str = "", schemas: Schemas | None = None) -> None:
        self._schemas = schemas
        self._unwrapper = Unwrapper(unwrap) if unwrap else None
        self._is_strict = mode == "strict"
        self._is_off = mode == "off"
        self._fault = validator.fault
        self._appearances: dict[str, str] = {}
        self._told: set[str] = set()

    def decode(self, record: Record) -> Decoded:
        """The event in `record`, why it is none, what it waits for, or None for a tombstone. Never raises."""
        body = record.value
        if body is None:
            return None
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            other = self._other(record, body)
            if not isinstance(other, Inner):
                return other
            body, payload = other
        if self._unwrapper is not None:
            inner = self._unwrapped(self._unwrapper, record, body, payload)
            if isinstance(inner, Invalid):
                return inner
            body, payload = inner
        if payload.__class__ is not dict:
            detail = "The value is not a JSON object."
            return self._invalid(Reason.INVALID_EVENT, detail, record, appearance.of_value(payload))
        type_ = payload.get("type")
        if type_.__class__ is not str or type_ not in _KNOWN_TYPES:
            type_ = normal_type(type_) or UNKNOWN_TYPE
            if type_ not in _KNOWN_TYPES and record.topic not in self._told:
                self._notice(record.topic, appearance.of_object(payload))
        if not self._is_off:
            fault = self._fault(type_ if self._is_strict else CUSTOM_TYPE, payload)
            if fault is not None:
                return self._invalid(
                    Reason.INVALID_EVENT, fault, record, appearance.of_object(payload), type_label(type_)
                )
        user = payload.get("userId")
        if user.__class__ is not str or not user:
            user = _first_id(payload, body, _DELETE_LANE_FIELDS if type_ == "delete" else _LANE_FIELDS)
        message_id = payload.get("messageId")
        if message_id.__class__ is not str or not message_id:
            message_id = _id_text(payload, body, "messageId")
        if (
            type_ == "delete"
            or len(user or "") > _LONG_ID
            or len(message_id or "") > _LONG_ID
            or body is not record.value
        ):
            copies = (type_ == "delete") + (body is not record.value)
            record.derived_bytes = getsizeof(user) + getsizeof(message_id) + copies * len(body)
        else:
            record.derived_bytes = 0  # what an earlier reading made of it is gone
        return Event(record, body, type_, user, message_id, payload)

    def new_appearances(self) -> dict[str, str]:
        """What records that are no plain events look like, by topic; each topic once."""
        new, self._appearances = self._appearances, {}
        return new

    def _other(self, record: Record, value: bytes) -> Inner | Invalid | UnknownSchema:
        """What orjson does not read: a frame, a byte order mark, or what else JSON allows."""
        body = value
        if value.startswith(FRAME) and self._schemas is not None:
            read = read_framed(value, self._schemas)
            if not isinstance(read, bytes):
                return read
            body = read
        elif value.startswith(FRAME):
            body = value[FRAME_BYTES:]
        body = body.removeprefix(appearance.BOM)
        try:
            return Inner(body, parse_json(body))
        except (ValueError, RecursionError) as error:
            detail = f"The value is not JSON: {error}."
            return self._invalid(Reason.INVALID_JSON, detail, record, appearance.of_bytes(value))

    def _unwrapped(self, unwrapper: Unwrapper, record: Record, body: bytes, payload: Any) -> Inner | Invalid:
        try:
            inner = unwrapper.unwrap(record, body, payload)
        except (ValueError, RecursionError) as error:
            return Invalid(Reason.INVALID_JSON, f"{unwrapper.not_json}: {error}.")
        if inner is None:
            self._notice(record.topic, appearance.of_unwrapped(payload))
            return Invalid(Reason.INVALID_EVENT, unwrapper.missing)
        return inner

    def _invalid(self, reason: Reason, detail: str, record: Record, looks: str, label: str = CUSTOM_TYPE) -> Invalid:
        self._notice(record.topic, looks)
        if looks:
            detail = f"{detail} It {looks}" if looks.startswith("looks") else looks
        return Invalid(reason, detail, label)

    def _notice(self, topic: str, looks: str) -> None:
        if looks and topic not in self._told:
            self._told.add(topic)
            self._appearances[topic] = looks


def normal_type(raw: object) -> str:
    """A message type as it is compared: trimmed, in lower case; empty when it is not text."""
    return raw.strip(ASCII_WHITESPACE).lower() if isinstance(raw, str) else ""


def _first_id(payload: Mapping[str, Any], body: bytes, fields: tuple[str, ...]) -> str | None:
    for field in fields:
        text = _id_text(payload, body, field)
        if text is not None:
            return text
    return None


def _id_text(payload: Mapping[str, Any], body: bytes, field: str) -> str | None:
    """An identifier as text; None when it is absent, null, empty or neither a string nor a number."""
    value = payload.get(field)
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return _decimal_text(value, body, field) if isinstance(value, float) else None


def _decimal_text(value: float, body: bytes, field: str) -> str:
    """450.0 reads 450; what a double does not hold exactly reads as it was written.

    Otherwise two ids of thirty digits could become one, and the receiver drop an event as a repetition.
    """
    if value.is_integer() and abs(value) < _EXACT_BELOW:
        return str(int(value))
    try:
        with room_to_nest():
            return str(json.loads(body.decode("utf-8"), parse_float=str, parse_int=str)[field])
    except RecursionError:
        return repr(value)

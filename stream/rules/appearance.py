"""What a record that is not a Segment event looks like: how it was wrapped, framed, compressed or encoded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BOM = b"\xef\xbb\xbf"

_BY_FIRST_BYTES = (
    (b"\x00", "framed value, looks like Avro or Protobuf: set [schema_registry]"),
    (b"\x1f\x8b", "looks like gzip: compress with the producer's compression.type, which is undone when it is read."),
    (b"\x28\xb5\x2f\xfd", "looks like zstd: compress with the producer's compression.type instead."),
    (b"\x04\x22\x4d\x18", "looks like LZ4: compress with the producer's compression.type instead."),
    (b"\x82SNAPPY\x00", "looks like Snappy: compress with the producer's compression.type instead."),
    (b"\xff\x06\x00\x00sNaPpY", "looks like Snappy: compress with the producer's compression.type instead."),
    (b"\x42\x5a\x68", "looks like bzip2: compress with the producer's compression.type instead."),
    (b"Obj\x01", "looks like an Avro file: only JSON is read, so have the producer write JSON."),
    (b"PAR1", "looks like Parquet: only JSON is read, one event a record."),
    (b"\xff\xfe", "looks like UTF-16: have the producer write UTF-8."),
    (b"\xfe\xff", "looks like UTF-16: have the producer write UTF-8."),
    (b"\xac\xed\x00\x05", "looks like a serialised Java object: have the producer write JSON."),
    (b"<", "looks like XML or HTML: only JSON is read."),
)
_IDS = frozenset({"userId", "anonymousId", "groupId", "messageId"})
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,31}")
_UTF_16 = (b"{\x00", b"\x00{")
_SEVERAL = b"}\n{"


def of_bytes(value: bytes) -> str:
    """What a value that is not JSON looks like, with what would help; empty when it looks like nothing known."""
    if value.startswith(_UTF_16):
        return "looks like UTF-16: have the producer write UTF-8."
    found = next((text for head, text in _BY_FIRST_BYTES if value.startswith(head)), "")
    if not found and _SEVERAL in value.replace(b"\r", b""):
        return "looks like several events, one a line: have the producer write one event a record."
    return found


def of_value(value: object) -> str:
    """The same of JSON that is not an object."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "looks like a list of events: have the producer write one event a record."
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return "looks like an event written as JSON twice: have the producer serialise it once."
    return ""


def of_object(event: Mapping[str, Any]) -> str:
    """The same of a JSON object: which wrapper the event seems to lie in."""
    match event:
        case {"schema": {"type": _}, "payload": _}:
            return (
                'looks wrapped by Kafka Connect\'s JsonConverter (the event in payload): set kafka.unwrap = "connect", '
                "or value.converter.schemas.enable=false on the connector."
            )
        case {"specversion": str(), "type": _, "source": _}:
            return (
                'looks like a CloudEvent in structured mode (the event in data): set kafka.unwrap = "cloudevents", or '
                "have it written in binary mode."
            )
        case {"payload": {"op": _, "after": _}} | {"op": str(), "after": _, "source": _}:
            return (
                "looks like a change event of Debezium: have its outbox event router write the event, and set "
                'kafka.unwrap = "debezium-outbox".'
            )
        case {"batch": list()}:
            return "looks like a batch of Segment's HTTP API: have the producer write one event a record."
        case {"@timestamp": _, "message": _}:
            return 'looks wrapped by Logstash or Filebeat (the event in message): set kafka.unwrap = "message".'
        case {"records": list()}:
            return "looks like a batch of a REST proxy: have the producer write one event a record."
        case {"Type": "Notification", "Message": _}:
            return (
                'looks wrapped by Amazon SNS (the event in Message): set kafka.unwrap = "Message", or turn raw message '
                "delivery on."
            )
        case {"detail-type": _, "detail": _}:
            return 'looks wrapped by Amazon EventBridge (the event in detail): set kafka.unwrap = "detail".'
    return _of_one_level(event)


def of_unwrapped(value: object) -> str:
    """What a record looks like in which `kafka.unwrap` finds no event; empty when it looks like nothing known."""
    if isinstance(value, dict) and _is_like_an_event(value):
        return "looks like plain events: kafka.unwrap is set, and the event is the whole record. Remove it."
    return of_object(value) if isinstance(value, dict) else of_value(value)


def _of_one_level(event: Mapping[str, Any]) -> str:
    """An object without a type that has an event within it, under whatever name."""
    if "type" in event:
        return ""
    for name, held in event.items():
        if (isinstance(held, dict) and _is_like_an_event(held)) or (isinstance(held, str) and _holds_an_event(held)):
            if not _PLAIN_NAME.fullmatch(name):  # it may be somebody's id
                return "looks wrapped (an event lies in a field): set kafka.unwrap to its name."
            return f'looks wrapped (an event lies in {name}): set kafka.unwrap = "{name}".'
    return ""


def _is_like_an_event(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("type"), str) and bool(_IDS & value.keys())


def _holds_an_event(text: str) -> bool:
    """Whether a text looks like an event that was written as JSON."""
    return text.lstrip().startswith("{") and '"type"' in text and any(f'"{name}"' in text for name in _IDS)

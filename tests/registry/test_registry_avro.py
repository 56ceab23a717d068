"""Avro values become the JSON that people expect, and hostile ones an invalid event."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from registry_support import EVENT, avro, decoder, detail, event, framed, written
from support.registry import ScriptedRegistry


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Reads a value with a schema; limits are low."""
    schemas: dict[str, Any] = {}

    def script(path: str) -> tuple[int, Any]:
        found = schemas.get(path.split("?")[0])
        return (200, {"schema": json.dumps(found)}) if found else (404, {"error_code": 40403, "message": "x"})

    with ScriptedRegistry(script) as registry:
        decode = decoder(tmp_path, registry.url, rest='[limits]\nmax_open_bytes = "1MiB"')

        def read(schema: Any, payload: bytes) -> Any:
            number = len(schemas) + 1
            schemas[f"/schemas/ids/{number}"] = schema
            return decode(framed(number, payload))

        yield read


LOGICAL: dict[str, tuple[Any, Any, Any]] = {
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, Decimal("12.50"), 12.5),
    "date": ({"type": "int", "logicalType": "date"}, date(2026, 1, 5), "2026-01-05"),
    "time": ({"type": "int", "logicalType": "time-millis"}, time(9, 30), "09:30:00"),
    "timestamp": (
        {"type": "long", "logicalType": "timestamp-millis"},
        datetime(2026, 1, 5, 9, 0, 0, 250_000, UTC),
        "2026-01-05T09:00:00.250000Z",
    ),
    "timestamp in microseconds": (
        {"type": "long", "logicalType": "timestamp-micros"},
        datetime(2026, 1, 5, 9, tzinfo=UTC),
        "2026-01-05T09:00:00Z",
    ),
    "local timestamp": (
        {"type": "long", "logicalType": "local-timestamp-millis"},
        datetime(2026, 1, 5, 9),
        "2026-01-05T09:00:00",
    ),
    "uuid": (
        {"type": "string", "logicalType": "uuid"},
        UUID("12345678-1234-5678-1234-567812345678"),
        "12345678-1234-5678-1234-567812345678",
    ),
    "bytes": ("bytes", b"\x00\xff", base64.b64encode(b"\x00\xff").decode()),
    "fixed": ({"type": "fixed", "name": "F", "size": 2}, b"ab", base64.b64encode(b"ab").decode()),
    "enum": ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B"),
    "union": (["null", "long", "string"], 2**40, 2**40),
    "union, null": (["null", "long"], None, None),
    "union of records": (
        ["null", {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}],
        {"a": 1},
        {"a": 1},
    ),
    "map of arrays": ({"type": "map", "values": {"type": "array", "items": "int"}}, {"k": [1, 2]}, {"k": [1, 2]}),
    "double": ("double", 1.5, 1.5),
    "not a number": ("double", float("nan"), None),
    "boolean": ("boolean", True, True),
    "long": ("long", -(2**63), -(2**63)),
}


@pytest.mark.parametrize(("type_", "value", "expected"), LOGICAL.values(), ids=LOGICAL)
def test_types_become_what_people_expect(read: Any, type_: Any, value: Any, expected: Any) -> None:
    """In JSON, by the table of the documents."""
    schema = avro([{"name": "v", "type": type_}])
    assert event(read(schema, written(schema, {**EVENT, "v": value}))) == {**EVENT, "v": expected}


def test_a_decimal_keeps_its_digits(read: Any) -> None:
    """As a number that no double would hold."""
    schema = avro([{"name": "v", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 2}}])
    value = Decimal("1234567890123456789012345.60")
    found = read(schema, written(schema, {**EVENT, "v": value}))
    assert b'"v":1234567890123456789012345.60' in found.body


RECURSIVE = avro([{"name": "next", "type": ["null", "Ev"]}])
HEAD = written(avro([]), EVENT)


def nested(levels: int) -> bytes:
    """Events in one another."""
    return (HEAD + b"\x02") * levels + HEAD + b"\x00"


def test_a_schema_that_contains_itself(read: Any) -> None:
    """It is read as deep as JSON is written; deeper than that it is an invalid event, however deep."""
    found = event(read(RECURSIVE, nested(50)))
    assert found["next"]["next"]["userId"] == "u1"
    for levels in (250, 20_000):
        assert "nested more than 200 levels" in detail(read(RECURSIVE, nested(levels)))


BOMBS: dict[str, tuple[Any, bytes]] = {
    "nothing, many times": ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\x7f"),
    "nothing, many times, in a block with a size": (
        {"type": "array", "items": "null"},
        b"\xff\xff\xff\xff\xff\x7f\x02",
    ),
    "a long symbol": (
        {"type": "array", "items": {"type": "enum", "name": "E", "symbols": ["S" * 100_000]}},
        b"\x50" + b"\x00" * 40 + b"\x00",
    ),
    "names without contents": (
        {
            "type": "array",
            "items": {
                "type": "record",
                "name": "R",
                "fields": [
                    {"name": "a", "type": "int"},
                    *({"name": f"{'n' * 1_000}{i}", "type": "null"} for i in range(50)),
                ],
            },
        },
        b"\x50" + b"\x00" * 40 + b"\x00",
    ),
}


@pytest.mark.parametrize(("type_", "payload"), BOMBS.values(), ids=BOMBS)
def test_a_few_bytes_that_stand_for_a_lot(read: Any, type_: Any, payload: bytes) -> None:
    """They are counted before they are decoded."""
    assert "limits.max_open_bytes" in detail(read(avro([{"name": "v", "type": type_}]), HEAD + payload))


def test_records_that_double_at_each_level(read: Any) -> None:
    """Without a byte of content."""
    inner: Any = "null"
    for level in range(30):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"R{level - 1}" if level else "null"}]
        inner = {"type": "record", "name": f"R{level}", "fields": fields}
    assert "limits.max_open_bytes" in detail(read(avro([{"name": "v", "type": inner}]), HEAD))


@pytest.mark.parametrize("cut", range(len(HEAD)))
def test_a_value_that_is_cut_short(read: Any, cut: int) -> None:
    """At every byte, in a schema that is passed over first and in one that is not."""
    for schema in (avro([]), RECURSIVE):
        found = read(schema, HEAD[:cut])
        assert "cannot be read" in detail(found)


def test_a_large_event_is_read(read: Any) -> None:
    """Whose size its schema alone does not bound."""
    schema = avro([{"name": "v", "type": {"type": "array", "items": avro([], "In")}}])
    value = {**EVENT, "v": [{**EVENT, "event": "x" * 100}] * 2_000}
    assert event(read(schema, written(schema, value))) == value


def test_a_schema_of_a_megabyte(read: Any) -> None:
    """It is a schema like any other."""
    schema = avro([{"name": f"f{i}", "type": "null", "doc": "d" * 1_000} for i in range(1_000)])
    assert len(event(read(schema, HEAD))) == 1_003


@pytest.mark.parametrize("schema", [{"type": "nothing"}, "what", 5, {"type": "record"}])
def test_a_schema_that_cannot_be_used(read: Any, schema: Any) -> None:
    """Its events are invalid, and say so."""
    assert "cannot be used" in detail(read(schema, b"\x00"))

"""The event inside a record is found by `kafka.unwrap`, and its bytes are those of the record."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from assertions import filled
from hypothesis import given
from hypothesis import strategies as st

from stream.model.events import Event, Invalid, Reason
from stream.model.policies import WorkflowPolicy
from stream.model.records import Headers, Record
from stream.rules.decode import Decoded, Decoder
from stream.rules.filter import WorkflowFilter
from stream.rules.request import RequestBuilder
from stream.rules.unwrap import value_bytes
from stream.validation import SchemaValidator

RAW = b'{ "type":"track","userId" : "u1","event":"A \\u00e9","n":1.50 ,"messageId":"m1"}'
"""An event whose spelling no serialiser would keep."""
TEXT = json.dumps(RAW.decode()).encode()
SCHEMA = b'{"type":"struct","fields":[{"type":"struct","fields":[{"field":"payload","type":"string"}]}]}'

FOUND: dict[str, tuple[str, bytes]] = {
    "a name": ("payload", b'{"payload":' + RAW + b"}"),
    "spaces": ("payload", b' {\n "payload" :  ' + RAW + b"\n} \n"),
    "a path": ("a.b.c", b'{"x":1,"a":{"b":{"c":' + RAW + b',"d":[]},"z":0}}'),
    "not the last": ("payload", b'{"payload":' + RAW + b',"meta":{"payload":{"type":"x"}}}'),
    "the last of its name": ("payload", b'{"payload":{"type":"x"},"payload":' + RAW + b"}"),
    "the last of its name, not at the end": ("payload", b'{"payload":{"type":"x"},"payload":' + RAW + b',"z":1}'),
    "a name with escapes": ("payload", b'{"p\\u0061yload":' + RAW + b"}"),
    "a name with escapes, not the last": ("payload", b'{"p\\u0061yload":' + RAW + b',"z":1}'),
    "a name beside one that ends like it": ("payload", b'{"payload":' + RAW + b',"\\"payload":{"type":"x"}}'),
    "another alphabet": ("событие", '{"a":1,"событие":'.encode() + RAW + b"}"),
    "another alphabet, escaped": ("é/😀", b'{"a":1,"\\u00e9\\/\\ud83d\\ude00":' + RAW + b',"z":{}}'),
    "a byte order mark": ("payload", b'\xef\xbb\xbf{"payload":' + RAW + b"}"),
    "deep things before it": ("payload", b'{"a":' + b"[" * 50 + b"]" * 50 + b',"payload":' + RAW + b"}"),
    "a lone surrogate before it": ("payload", b'{"a":"\\ud83d","payload":' + RAW + b"}"),
    "a text": ("payload", b'{"payload":' + TEXT + b"}"),
    "a text with a byte order mark": ("payload", b'{"payload":"\\ufeff' + TEXT[1:] + b"}"),
    "framed JSON": ("payload", b'\x00\x00\x00\x00\x07{"payload":' + RAW + b"}"),
    "connect": ("connect", b'{"schema":' + SCHEMA + b',"payload":' + RAW + b"}"),
    "connect, the other way round": ("connect", b'{"payload":' + RAW + b',"schema":' + SCHEMA + b"}"),
    "connect, a text": ("connect", b'{"schema":{"type":"string"},"payload":' + TEXT + b"}"),
    "cloudevents": ("cloudevents", b'{"specversion":"1.0","id":"1","source":"/","type":"x","data":' + RAW + b"}"),
    "cloudevents, a text": ("cloudevents", b'{"specversion":"1.0","data":' + TEXT + b',"type":"x"}'),
    "cloudevents, base64": ("cloudevents", b'{"data_base64":"' + base64.b64encode(RAW) + b'","type":"x"}'),
    "outbox": ("debezium-outbox", b'{"schema":{"type":"string"},"payload":' + TEXT + b"}"),
    "outbox without a schema": ("debezium-outbox", TEXT),
    "outbox, expanded": ("debezium-outbox", b'{"schema":' + SCHEMA + b',"payload":' + RAW + b"}"),
    "outbox with columns": ("debezium-outbox", b'{"schema":{},"payload":{"payload":' + TEXT + b',"kind":"x"}}'),
    "outbox, expanded, with columns": ("debezium-outbox", b'{"payload":{"kind":"x","payload":' + RAW + b"}}"),
}
MISSING: dict[str, tuple[str, bytes, str]] = {
    "plain": ("payload", RAW, "no event at payload"),
    "null": ("payload", b'{"payload":null}', "no event at payload"),
    "a number": ("payload", b'{"payload":5}', "no event at payload"),
    "a list": ("payload", b'{"payload":[' + RAW + b"]}", "no event at payload"),
    "a text of a number": ("payload", b'{"payload":"5"}', "no event at payload"),
    "an object on the way": ("a.b", b'{"a":' + RAW + b"}", "no event at a.b"),
    "a text on the way": ("a.b", b'{"a":"x"}', "no event at a.b"),
    "a list as the record": ("payload", b"[]", "no event at payload"),
    "a number as the record": ("payload", b"7", "no event at payload"),
    "connect": ("connect", b'{"schema":null}', "no event at payload"),
    "cloudevents": ("cloudevents", b'{"specversion":"1.0","type":"x"}', "no event at data"),
    "outbox": ("debezium-outbox", b'{"op":"d","after":null}', "no event at payload"),
    "outbox, columns alone": ("debezium-outbox", b'{"payload":{"payload":null,"kind":"x"}}', "no event at payload"),
}


def record(value: bytes, headers: Headers | None = None) -> Record:
    """A record with `value` at some place on a topic."""
    return Record("events", 0, 7, 1_700_000_000_000, b"key", value, headers)


def decoded(unwrap: str, value: bytes, headers: Headers | None = None) -> Decoded:
    """What becomes of it in strict mode."""
    return Decoder("strict", SchemaValidator(), unwrap).decode(record(value, headers))


def event(unwrap: str, value: bytes, headers: Headers | None = None) -> Event:
    """The same, which is an event."""
    found = decoded(unwrap, value, headers)
    assert isinstance(found, Event), found
    return found


@pytest.mark.parametrize(("unwrap", "value"), FOUND.values(), ids=FOUND)
def test_the_inner_bytes_are_the_events(unwrap: str, value: bytes) -> None:
    """As they stand in the record, or in the text that it holds."""
    found = event(unwrap, value)
    assert (found.body, found.payload) == (RAW, json.loads(RAW))
    assert (found.type, found.user, found.message_id) == ("track", "u1", "m1")
    assert found.record.value == value


@pytest.mark.parametrize(("unwrap", "value", "detail"), MISSING.values(), ids=MISSING)
def test_a_record_without_the_event_is_invalid(unwrap: str, value: bytes, detail: str) -> None:
    """The detail says where none is, and nothing of what is there."""
    assert decoded(unwrap, value) == Invalid(Reason.INVALID_EVENT, detail)


@pytest.mark.parametrize("text", ["", "x", "{", '{"type":NaN}', "\x00\x00\x00\x00\x01{}", "\ud83d", "[" * 2_000])
def test_a_text_that_is_no_json(text: str) -> None:
    """It is invalid JSON, at a place that the detail names."""
    found = decoded("payload", json.dumps({"payload": text}).encode())
    assert isinstance(found, Invalid)
    assert found.reason == "invalid_json"
    assert found.detail.startswith("The text at payload is not JSON: ")


@pytest.mark.parametrize("value", ["*", base64.b64encode(b"\xff").decode(), base64.b64encode(b"x").decode()])
def test_base64_that_holds_no_json(value: str) -> None:
    """Likewise."""
    found = decoded("cloudevents", json.dumps({"data_base64": value}).encode())
    assert isinstance(found, Invalid)
    assert found.reason == "invalid_json"


def test_a_cloudevent_in_binary_mode_needs_no_unwrapping() -> None:
    """Its value is the event; `cloudevents` takes both modes on one topic."""
    assert event("cloudevents", RAW, [("ce_specversion", b"1.0"), ("ce_type", b"x")]).body == RAW


def test_the_event_decides_and_not_its_wrapper() -> None:
    """Type, integrations and user are those inside."""
    inner: dict[str, Any] = {"type": "identify", "userId": "inside", "integrations": {"All": False}}
    outer = {"type": "track", "userId": "outside", "event": "e", "integrations": {"All": True}, "payload": inner}
    found = event("payload", json.dumps(outer).encode())
    assert (found.type, found.user) == ("identify", "inside")
    assert WorkflowFilter(WorkflowPolicy("w"), "tray.io").reason(found) == "integrations"


def test_an_inner_event_is_validated() -> None:
    """By the schema of its own type."""
    found = decoded("payload", b'{"payload":{"type":"track","userId":"u"}}')
    assert isinstance(found, Invalid)
    assert (found.reason, found.type_label) == ("invalid_event", "track")
    assert "event" in found.detail


def test_an_inner_delete_becomes_a_notification() -> None:
    """Made of the inner bytes, and signed as it is sent."""
    found = event("payload", b'{"payload":{"type":"delete","userId":"u1", "receivedAt":"2026-01-01T00:00:00.000Z"}}')
    request = RequestBuilder(WorkflowPolicy("w", shared_secret=b"s"), "agent").build(found, 0.0)
    assert json.loads(request.body) == {
        "type": "delete",
        "userId": "u1",
        "userID": "u1",
        "receivedAt": "2026-01-01T00:00:00.000Z",
        "timestamp": "2026-01-01T00:00:00.000Z",
    }
    assert dict(request.headers)["x-signature"] == hmac.new(b"s", request.body, "sha1").hexdigest()


def test_the_copy_counts_as_held() -> None:
    """A record of which a part is sent holds both while it is open."""
    assert event("payload", b'{"payload":' + RAW + b"}").record.derived_bytes >= len(RAW)
    assert Decoder("strict", SchemaValidator()).decode(source := record(RAW)) is not None
    assert source.derived_bytes == 0


@pytest.mark.parametrize(
    ("unwrap", "value", "looks"),
    [
        ("", b'{"schema":{"type":"struct"},"payload":' + RAW + b"}", 'set kafka.unwrap = "connect"'),
        ("", b'{"specversion":"1.0","type":"x","source":"/","data":' + RAW + b"}", 'set kafka.unwrap = "cloudevents"'),
        ("", b'{"payload":' + TEXT + b"}", 'set kafka.unwrap = "payload"'),
        ("", b'{"inner":' + RAW + b"}", 'set kafka.unwrap = "inner"'),
        ("", b'{"payload":{"op":"c","after":{}}}', 'kafka.unwrap = "debezium-outbox"'),
        ("payload", RAW, "looks like plain events: kafka.unwrap is set"),
        ("payload", b'{"inner":' + RAW + b"}", 'set kafka.unwrap = "inner"'),
    ],
)
def test_the_topic_is_named_once_with_the_setting_that_helps(unwrap: str, value: bytes, looks: str) -> None:
    """Whether nothing is set where records are wrapped, or the wrong path is."""
    judge = Decoder("strict", SchemaValidator(), unwrap)
    for _ in range(3):
        judge.decode(record(value))
    assert looks in judge.new_appearances()["events"]
    judge.decode(record(value))
    assert judge.new_appearances() == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8) | st.just("payload"), JSON, min_size=1, max_size=6), st.booleans())
def test_every_member_is_found_by_its_name(value: dict[str, Any], ascii_only: bool) -> None:
    """Whatever stands around it, and however names are spelled."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for name in filled(value):
        assert json.loads(value_bytes(body, name)) == value[name]


@given(st.binary(max_size=60), st.sampled_from(["payload", "a.b", "connect", "cloudevents", "debezium-outbox"]))
def test_any_bytes_decode(value: bytes, unwrap: str) -> None:
    """Nothing raises, wrapped or not."""
    for whole in (value, b'{"payload":' + value + b"}", b'{"a":{"b":' + value + b"}}", b'{"data":' + value + b"}"):
        assert isinstance(decoded(unwrap, whole), Event | Invalid)

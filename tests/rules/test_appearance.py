"""Records that are no plain events are named for what they look like, with what would help."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.model.events import Event, Invalid
from stream.model.records import Record
from stream.rules import appearance
from stream.rules.decode import Decoder
from stream.validation import SchemaValidator

EVENT = {"type": "track", "userId": "u1", "event": "e"}
INVALID: dict[str, tuple[bytes, str]] = {
    "Avro, framed": (b"\x00\x00\x00\x00\x07\x0atrack\x04u1", "framed value, looks like Avro or Protobuf: "),
    "gzip": (gzip.compress(json.dumps(EVENT).encode()), "It looks like gzip: "),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "It looks like zstd: "),
    "UTF-16": (json.dumps(EVENT).encode("utf-16-le"), "It looks like UTF-16: "),
    "UTF-16 with a mark": (json.dumps(EVENT).encode("utf-16"), "It looks like UTF-16: "),
    "lines": (json.dumps(EVENT).encode() + b"\r\n" + json.dumps(EVENT).encode(), "several events, one a line"),
    "XML": (b"<event/>", "It looks like XML"),
    "list": (json.dumps([EVENT]).encode(), "It looks like a list of events"),
    "JSON twice": (json.dumps(json.dumps(EVENT)).encode(), "It looks like an event written as JSON twice"),
    "Connect": (json.dumps({"schema": {"type": "struct"}, "payload": EVENT}).encode(), "Connect's JsonConverter"),
    "Debezium": (json.dumps({"before": None, "after": {}, "op": "c", "source": {}}).encode(), "event of Debezium"),
    "Debezium in Connect": (json.dumps({"payload": {"op": "c", "after": {}}}).encode(), "change event of Debezium"),
    "HTTP batch": (json.dumps({"batch": [EVENT], "sentAt": "x"}).encode(), "batch of Segment's HTTP API"),
    "SNS": (json.dumps({"Type": "Notification", "Message": "{}"}).encode(), "wrapped by Amazon SNS"),
    "EventBridge": (json.dumps({"detail-type": "x", "detail": EVENT}).encode(), "wrapped by Amazon EventBridge"),
    "some name": (json.dumps({"id": 1, "body": EVENT}).encode(), "(an event lies in body)"),
}
"""Value, and what the detail of the dead letter says."""
CUSTOM: dict[str, tuple[dict[str, Any], str]] = {
    "CloudEvents": ({"specversion": "1.0", "type": "a.b", "source": "/", "userId": "u", "data": EVENT}, "a CloudEvent"),
    "Logstash": ({"type": "log", "userId": "u", "@timestamp": "x", "@version": "1", "message": "{}"}, "Logstash"),
    "Connect": ({"type": "x", "userId": "u", "schema": {"type": "struct"}, "payload": EVENT}, "JsonConverter"),
}
"""What has a type of its own, so that it passes as an event of a custom type."""


def decoder() -> Decoder:
    """A new one, which has named no topic yet."""
    return Decoder("strict", SchemaValidator())


def record(value: bytes, topic: str = "events") -> Record:
    """A record with `value` at some place on a topic."""
    return Record(topic, 0, 7, 1_700_000_000_000, None, value)


@pytest.mark.parametrize(("value", "detail"), INVALID.values(), ids=INVALID)
def test_the_dead_letter_says_what_it_looks_like(value: bytes, detail: str) -> None:
    """And the topic is named once, for the log."""
    judge = decoder()
    found = judge.decode(record(value))
    assert isinstance(found, Invalid)
    assert detail in found.detail
    assert list(judge.new_appearances()) == ["events"]


@pytest.mark.parametrize(("payload", "looks"), CUSTOM.values(), ids=CUSTOM)
def test_a_wrapper_that_passes_as_a_custom_event_is_named(payload: dict[str, Any], looks: str) -> None:
    """It is delivered, wrapped as it is, and its own integrations object is not seen: the operator must hear of it."""
    judge = decoder()
    assert isinstance(judge.decode(record(json.dumps(payload).encode())), Event)
    assert looks in judge.new_appearances()["events"]


def test_a_topic_is_named_once() -> None:
    """Another topic once more."""
    judge = decoder()
    for topic in ("a", "a", "b", "a"):
        judge.decode(record(b"\x1f\x8b", topic))
    assert list(judge.new_appearances()) == ["a", "b"]
    judge.decode(record(b"\x1f\x8b", "a"))
    assert judge.new_appearances() == {}


@pytest.mark.parametrize(
    "payload",
    [
        EVENT,
        EVENT | {"properties": {"schema": {"type": "struct"}, "payload": {}}},
        {"type": "subscription renewed", "userId": "u", "properties": EVENT},
        {"type": "order", "userId": "u", "source": "web", "data": {}, "message": "hello"},
    ],
)
def test_plain_events_are_not_named(payload: dict[str, Any]) -> None:
    """Custom types included."""
    judge = decoder()
    assert isinstance(judge.decode(record(json.dumps(payload).encode())), Event)
    assert judge.new_appearances() == {}


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(value: bytes) -> None:
    """Nothing that lies on a topic makes the naming fail, and no value gets into a detail."""
    assert appearance.of_bytes(value) == "" or "looks like" in appearance.of_bytes(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["schema", "payload", "op", "type", "data", "userId", "batch"]), inner, max_size=4
        )
    ),
)


@given(JSON)
def test_any_json_is_taken(value: Any) -> None:
    """Wrappers with odd values in them included."""
    found = appearance.of_object(value) if isinstance(value, dict) else appearance.of_value(value)
    assert found == "" or found.startswith("looks ")

"""Anything at all on the topic and in a commit's metadata: an answer of ours, never an exception of anybody's."""

from __future__ import annotations

import base64
import json
import string
import zlib

import pytest
from assertions import filled
from hypothesis import given
from hypothesis import strategies as st

from stream.model.commit_map import BadMapError, CommitMap, decode, encode
from stream.model.events import Event, Invalid
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.rules.filter import EventFilter
from stream.rules.request import RequestBuilder
from stream.validation.schemas import SchemaValidator

_VALIDATOR = SchemaValidator()
_DECODERS = [Decoder(mode, _VALIDATOR) for mode in ("strict", "lenient", "off")]
_POLICIES = [
    WorkflowPolicy("all", shared_secret=b"s", webhook_keys=(b"k",), body="compact"),
    WorkflowPolicy("orders", types=frozenset({"track"}), events=("Order *", "[!a]*")),
]
_FILTER = EventFilter("tray.io", _POLICIES)
_BUILDERS = [RequestBuilder(policy, "agent") for policy in _POLICIES]

_FIELDS = st.sampled_from(
    [
        "type",
        "userId",
        "userID",
        "anonymousId",
        "groupId",
        "previousId",
        "messageId",
        "event",
        "integrations",
        "_metadata",
    ]
)
_KEYS = st.sampled_from(["All", "all", "tray.io", "bundled", ""])
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_VALUES = st.recursive(
    _SCALARS | st.sampled_from(["track", "delete", " Identify ", "tray.io"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["All", "tray.io", "bundled", ""]), inner, max_size=2)
    ),
    max_leaves=4,
)
_EVENTS = st.dictionaries(_FIELDS, _VALUES, max_size=6).map(lambda fields: json.dumps(fields).encode())


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """Bytes as they may lie on a topic: nonsense, or an event, framed, cut, with bytes of others in it."""
    value = draw(st.one_of(st.binary(max_size=40), _EVENTS))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(value)))
        value = value[:at] + draw(st.binary(max_size=3)) + value[at + draw(st.integers(0, 3)) :]
    return draw(st.sampled_from([b"", b"\x00\x00\x00\x00\x01", b"\x00", b" "])) + value


@pytest.mark.fuzz
@given(values(), st.integers(-1, 2**62))
def test_any_value_is_an_event_or_invalid(value: bytes, timestamp_ms: int) -> None:
    """In every mode; what is an event can be routed, and its requests can be built."""
    for decoder in _DECODERS:
        decoded = decoder.decode(Record("t", 0, 1, timestamp_ms, None, value))
        assert isinstance(decoded, Event | Invalid)
        if isinstance(decoded, Event):
            route = _FILTER.route(decoded)
            assert sorted([*route.wanted, *(index for index, _ in route.unwanted)]) == [0, 1]
            for builder in filled(_BUILDERS):
                assert builder.build(decoded, 1.0).body


_RAW = st.binary(max_size=60)


@st.composite
def metadata(draw: st.DrawFn) -> str:
    """Texts as others may have committed them: nonsense, or our form with a right sum over wrong bytes."""
    kind = draw(st.sampled_from(["text", "ascii", "plain", "deflated", "damaged"]))
    if kind == "text":
        return draw(st.text(max_size=40))
    if kind == "ascii":
        return draw(st.sampled_from(["t1.", "t2.", "t3.", ""])) + draw(st.text(string.printable, max_size=40))
    raw = draw(_RAW)
    whole = zlib.crc32(raw).to_bytes(4, draw(st.sampled_from(["big", "little"]))) + raw
    if kind == "deflated":
        return "t2." + base64.b64encode(zlib.compress(whole, wbits=draw(st.sampled_from([-15, 15])))).decode()
    text = "t1." + base64.b64encode(whole).decode()
    if kind == "damaged":
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from("A=/.\x00é")) + text[at + 1 :]
    return text


@pytest.mark.fuzz
@given(metadata(), st.integers(0, 2**62))
def test_any_metadata_is_a_map_or_none(text: str, base: int) -> None:
    """What is taken for a map claims sorted ranges at or above the base, and can be written again."""
    try:
        found = decode(text, base)
    except BadMapError:
        return
    for ranges in found.done.values():
        flat = [offset for start_end in ranges for offset in start_end]
        assert flat == sorted(flat)
        assert not ranges or ranges[0][0] >= base
    assert decode(encode(CommitMap(base, found.done), 10**6), base).done.keys() <= found.done.keys()

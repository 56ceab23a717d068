"""What is in an event decides on nothing but the body and a few header values: not on headers, not on the host."""

from __future__ import annotations

import json
from typing import Any

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from stream.http.head import HeadWriter
from stream.http.target import parse_target
from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.rules.request import RequestBuilder
from stream.validation.schemas import SchemaValidator

URL = "https://hooks.example.com:8443/wf/1?key=2"
SIGNED = WorkflowPolicy("orders", headers=(("X-Team", "data"),), shared_secret=b"s", webhook_keys=(b"k" * 24,))
NAMES = [
    *("host", "accept-encoding", "content-type", "user-agent", "x-team", "idempotency-key", "x-signature"),
    *("webhook-id", "webhook-timestamp", "webhook-signature", "content-length"),
]
_DECODER = Decoder("off", SchemaValidator())

EVIL = st.sampled_from(
    [
        "a\r\nX-Evil: 1",
        "a\nHost: evil.example.com",
        "\r\n\r\nPOST / HTTP/1.1\r\n",
        "\x00",
        "é\u2028",
        "x" * 300,
        "http://evil.example.com",
    ]
)
TEXT = EVIL | st.text(max_size=40)
JSON = st.recursive(
    TEXT | st.integers() | st.none() | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
FIELDS = st.sampled_from(
    ["type", "messageId", "userId", "anonymousId", "timestamp", "url", "host", "headers", "context"]
)
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RECORD_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["traceparent", "TRACEPARENT", "host", "x-evil", "content-length"]) | TEXT,
        st.none() | st.binary(max_size=60) | st.sampled_from([TRACE, TRACE + b"\r\nX-Evil: 1", TRACE + b"\n"]),
    ),
    max_size=4,
)


def head_of(event: Event, policy: WorkflowPolicy) -> h11.Request:
    """The request's head as a server reads it."""
    request = RequestBuilder(policy, "agent/1").build(event, 1_800_000_000.0)
    written = HeadWriter(parse_target(URL)).write(request)
    server = h11.Connection(h11.SERVER)
    server.receive_data(written + request.body)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = server.next_event()
    assert (body.data if isinstance(body, h11.Data) else b"") == request.body
    assert isinstance(server.next_event() if isinstance(body, h11.Data) else body, h11.EndOfMessage)
    assert server.trailing_data == (b"", False)
    return head


@given(st.dictionaries(FIELDS, JSON, max_size=6), RECORD_HEADERS, st.binary(max_size=10), st.booleans())
@example({"type": "track", "messageId": "a\r\nX-Evil: 1"}, [("traceparent", TRACE + b"\r\nX-Evil: 1")], b"", False)
def test_no_event_adds_a_header_or_chooses_a_host(
    fields: dict[str, Any], headers: list[tuple[str, bytes | None]], key: bytes, is_compact: bool
) -> None:
    """Whatever its fields, its key and its record's headers hold, the head has the lines that the settings ask for."""
    value = json.dumps(fields).encode()
    event = _DECODER.decode(Record("topic\r\nX-Evil: 1", 0, 1, 1_700_000_000_000, key, value, headers))
    assert isinstance(event, Event)
    policy = WorkflowPolicy(**{**vars(SIGNED), "body": "compact" if is_compact else "original"})
    head = head_of(event, policy)
    names = [name.decode() for name, _ in head.headers]
    assert [name for name in names if name != "traceparent"] == NAMES
    assert names.count("traceparent") <= 1
    found = dict(head.headers)
    assert (head.method, head.target, found[b"host"]) == (b"POST", b"/wf/1?key=2", b"hooks.example.com:8443")
    assert found[b"content-length"] == str(len(RequestBuilder(policy, "").build(event, 1.0).body)).encode()

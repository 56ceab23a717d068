"""The request as it is sent."""

import hashlib
import hmac
import json

import pytest
from assertions import every
from hypothesis import given
from hypothesis import strategies as st

from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Headers, Record
from stream.rules.request import RequestBuilder, compact, idempotency_key, traceparent

AGENT = "tray-stream/1.2.3"
BODY = b'{ "type": "track", "userId": "u\\u0031", "n": 450.0 }'
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def event(
    body: bytes = BODY,
    type_: str = "track",
    message_id: str | None = "m-1",
    headers: Headers | None = None,
) -> Event:
    """An event whose payload has been released."""
    record = Record("seg.events", 3, 41, 1_354_408_208_276, None, body, headers)
    return Event(record, body, type_, "u1", message_id, {})


def test_plain_request() -> None:
    """A request carries the bytes on the topic, our three headers and no signature."""
    request = RequestBuilder(WorkflowPolicy("w"), AGENT).build(event())
    assert request.body == BODY
    assert request.headers == [
        ("content-type", "application/json"),
        ("user-agent", AGENT),
        ("idempotency-key", "m-1"),
    ]


def test_extra_headers() -> None:
    """The policy's headers are sent, too, and take the place of ours of the same name."""
    policy = WorkflowPolicy("w", headers=(("X-Team", "data"), ("User-Agent", "acme/1")))
    assert RequestBuilder(policy, AGENT).build(event()).headers == [
        ("content-type", "application/json"),
        ("X-Team", "data"),
        ("User-Agent", "acme/1"),
        ("idempotency-key", "m-1"),
    ]


def test_a_replay_that_is_to_count_anew_has_keys_of_its_own() -> None:
    """The suffix is put behind every key."""
    policy = WorkflowPolicy("w", key_suffix="-r-fix")
    assert ("idempotency-key", "m-1-r-fix") in RequestBuilder(policy, AGENT).build(event()).headers


def test_headers_are_not_shared() -> None:
    """Each request has a list of its own."""
    builder = RequestBuilder(WorkflowPolicy("w"), AGENT)
    builder.build(event()).headers.clear()
    assert len(builder.build(event()).headers) == 3


def test_requests_to_several_workflows_share_what_is_alike() -> None:
    """Key and signature are worked out once for all workflows with the same secret; other settings have their own."""
    policies = [
        WorkflowPolicy("a", shared_secret=b"one"),
        WorkflowPolicy("b", shared_secret=b"one", headers=(("X-Team", "data"),)),
        WorkflowPolicy("c", shared_secret=b"two"),
        WorkflowPolicy("d", shared_secret=b"one", body="compact"),
        WorkflowPolicy("e", shared_secret=b"one", key_suffix="-again"),
        WorkflowPolicy("f", shared_secret=b"one", webhook_keys=(b"key",)),
    ]
    builders = [RequestBuilder(policy, AGENT) for policy in policies]
    sent = event()
    for builder in (*builders, *reversed(builders)):
        request, alone = builder.build(sent, 5.0), builder.build(event(), 5.0)
        assert (request.headers, request.body) == (alone.headers, alone.body)
    one, other = (builder.build(sent) for builder in builders[:2])
    assert one.own is other.own


def test_a_body_that_is_not_the_records_own_is_not_kept() -> None:
    """Limits count the bytes of an open event's record, and no others."""
    sent = event()
    assert RequestBuilder(WorkflowPolicy("w", body="compact"), AGENT).build(sent).body != BODY
    assert sent.made is None


def test_known_signature() -> None:
    """The signature is what Segment documents: lower-case hex HMAC-SHA1, no prefix."""
    body = b'{"cool":true}'
    request = RequestBuilder(WorkflowPolicy("w", shared_secret=b"abc123"), AGENT).build(event(body))
    signature = dict(request.headers)["x-signature"]
    assert signature == hmac.new(b"abc123", body, hashlib.sha1).hexdigest()
    assert len(signature) == 40
    assert signature == signature.lower()


@given(st.binary(min_size=1), st.binary(), st.sampled_from(["track", "delete"]), st.booleans())
def test_signature_is_of_the_bytes_sent(secret: bytes, text: bytes, type_: str, is_compact: bool) -> None:
    """Whatever the body is turned into, its signature is over exactly the bytes sent."""
    body = json.dumps({"type": type_, "userId": text.decode("latin-1")}).encode()
    policy = WorkflowPolicy("w", shared_secret=secret, body="compact" if is_compact else "original")
    request = RequestBuilder(policy, AGENT).build(event(body, type_))
    assert dict(request.headers)["x-signature"] == hmac.digest(secret, request.body, "sha1").hex()


@pytest.mark.parametrize(
    ("message_id", "key"),
    [
        ("m-1", "m-1"),
        ("delete-reg-6543321::job-2-P0OJ3CTID1", "delete-reg-6543321::job-2-P0OJ3CTID1"),
        ("17", "17"),
        ("a" * 200, "a" * 200),
        ("a" * 201, "h_" + hashlib.sha256(b"a" * 201).hexdigest()[:32]),
        ("a b", "h_" + hashlib.sha256(b"a b").hexdigest()[:32]),
        ("m-1\n", "h_" + hashlib.sha256(b"m-1\n").hexdigest()[:32]),
        ("m.1", "h_" + hashlib.sha256(b"m.1").hexdigest()[:32]),
        ("é", "h_" + hashlib.sha256("é".encode()).hexdigest()[:32]),
        ("\u0661", "h_" + hashlib.sha256("\u0661".encode()).hexdigest()[:32]),
        ("\ud83d", "h_" + hashlib.sha256(b"\xed\xa0\xbd").hexdigest()[:32]),
        (None, "seg_events-3-41"),
    ],
)
def test_idempotency_key(message_id: str | None, key: str) -> None:
    """The key is the message id, its hash when it is not safe in a header, or the place on the topic."""
    assert idempotency_key(event(message_id=message_id)) == key


VALID_TRACES = [TRACE, TRACE[:-1] + "0", "cc" + TRACE[2:], "cc" + TRACE[2:] + "-what.comes-next"]
INVALID_TRACES = [
    "",
    "00",
    TRACE[:-1],
    TRACE + "0",
    TRACE + "-more",
    TRACE.upper(),
    "ff" + TRACE[2:],
    "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    TRACE.replace("-", "_"),
    TRACE + "\n",
    "cc" + TRACE[2:] + "-a\r\nx-evil: 1",
    "cc" + TRACE[2:] + "-" + "a" * 300,
]


@pytest.mark.parametrize("value", VALID_TRACES)
def test_traceparent_is_taken_over(value: str) -> None:
    """A valid W3C traceparent of the record goes into the request."""
    request = RequestBuilder(WorkflowPolicy("w"), AGENT).build(event(headers=[("traceparent", value.encode())]))
    assert dict(request.headers)["traceparent"] == value


@pytest.mark.parametrize("value", INVALID_TRACES)
def test_invalid_traceparent_is_ignored(value: str) -> None:
    """What is not a W3C traceparent is not sent."""
    request = RequestBuilder(WorkflowPolicy("w"), AGENT).build(event(headers=[("traceparent", value.encode())]))
    assert "traceparent" not in dict(request.headers)


def test_last_valid_traceparent_counts() -> None:
    """Of several the last valid one is taken, whatever the case of its name."""
    headers: Headers = [
        ("traceparent", b"00-" + b"1" * 32 + b"-00f067aa0ba902b7-01"),
        ("Traceparent", TRACE.encode()),
        ("traceparent", b"nonsense"),
        ("traceparent", None),
        ("other", b"\xff"),
    ]
    assert traceparent(headers) == TRACE
    assert traceparent([]) is None


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (b'{ "a" : [ 1 , 2 ] }\n', b'{"a":[1,2]}'),
        (b'{"a":"\\u00e9\\/"}', '{"a":"é/"}'.encode()),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a" : 9007199254740993}', b'{"a":9007199254740993}'),
        (b'{"a" : 18446744073709551616}', b'{"a":18446744073709551616}'),
        (b'{"a" : -123456789012345678901234567890}', b'{"a":-123456789012345678901234567890}'),
        (
            b'{"a" : 123456789012345678901234567890, "b": "\\u00e9"}',
            '{"a":123456789012345678901234567890,"b":"é"}'.encode(),
        ),
    ],
)
def test_compact(body: bytes, sent: bytes) -> None:
    """A compact body has no white space and no needless escapes, and keeps every digit of an integer."""
    assert compact(body) == sent


@pytest.mark.parametrize(
    "body",
    [
        b'{"a" : "\\ud83d"}',
        b'{"a" : "\\ud83d", "b": 123456789012345678901234567890}',
        b'{"a" : 1e400}',
        b'{"a" : 1e400, "b": 123456789012345678901234567890}',
        b'{"a" : ' + b"9" * 5_000 + b"}",
        b'{"a" : ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b'{"a" : ' + b"[" * 1_000 + b"1" * 30 + b"]" * 1_000 + b"}",
    ],
)
def test_compact_leaves_what_it_would_change(body: bytes) -> None:
    """A body that cannot be written again without a change is sent as it is."""
    assert compact(body) == body


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(st.dictionaries(st.text(), VALUES))
def test_compact_says_the_same(payload: dict[str, object]) -> None:
    """A compact body parses to the same value."""
    body = json.dumps(payload, indent=1).encode()
    assert json.loads(compact(body)) == json.loads(body)


def test_delete_is_completed_and_signed_as_sent() -> None:
    """A delete goes out with both spellings of the id and a time, and the signature covers them."""
    body = b'{ "type": "delete", "userID": "1" }'
    policy = WorkflowPolicy("w", shared_secret=b"s")
    request = RequestBuilder(policy, AGENT).build(event(body, "delete", message_id=None))
    assert request.body == (b'{ "type": "delete", "userID": "1" ,"userId":"1","timestamp":"2012-12-02T00:30:08.276Z"}')
    headers = dict(request.headers)
    assert headers["x-signature"] == hmac.digest(b"s", request.body, "sha1").hex()
    assert headers["idempotency-key"] == "seg_events-3-41"


def test_delete_can_be_compact() -> None:
    """A compact delete is completed first, then re-serialised."""
    body = b'{ "type": "delete", "userID": "1", "timestamp": null }'
    request = RequestBuilder(WorkflowPolicy("w", body="compact"), AGENT).build(event(body, "delete"))
    assert request.body == (b'{"type":"delete","userID":"1","timestamp":"2012-12-02T00:30:08.276Z","userId":"1"}')


def test_a_notification_is_made_once() -> None:
    """However many workflows and attempts send it, signed with the time or not."""
    event = Event(Record("t", 0, 0, 0, None, b'{"userId":"1"}'), b'{"userId":"1"}', "delete", "1", None, {})
    policies = [WorkflowPolicy("a"), WorkflowPolicy("b", webhook_keys=(b"k",)), WorkflowPolicy("c", shared_secret=b"s")]
    bodies = [RequestBuilder(policy, "test").build(event).body for policy in (*policies, *policies)]
    assert b'"userID":"1"' in bodies[0]
    assert every(body is bodies[0] for body in bodies)

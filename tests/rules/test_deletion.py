"""The delete notification."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.rules.deletion import delete_notification, top_level_members

TIME_MS = 1_354_408_208_276
TIME = "2012-12-02T00:30:08.276Z"

EXACT: list[tuple[str, str, str]] = [
    (
        "reduced form of the Webhooks page",
        '{"type":"delete","userId":"1","timestamp":"t"}',
        '{"type":"delete","userId":"1","timestamp":"t","userID":"1"}',
    ),
    (
        "form of the Tray page",
        '{"type":"delete","userID":"1","timestamp":"t"}',
        '{"type":"delete","userID":"1","timestamp":"t","userId":"1"}',
    ),
    (
        "no timestamp: from receivedAt",
        '{"type":"delete","userId":"1","userID":"1","receivedAt":"r"}',
        '{"type":"delete","userId":"1","userID":"1","receivedAt":"r","timestamp":"r"}',
    ),
    (
        "no time at all: from the record",
        '{"type":"delete","userId":"1","userID":"1"}',
        f'{{"type":"delete","userId":"1","userID":"1","timestamp":"{TIME}"}}',
    ),
    (
        "receivedAt null: from the record",
        '{"type":"delete","userId":"1","userID":"1","receivedAt":null}',
        f'{{"type":"delete","userId":"1","userID":"1","receivedAt":null,"timestamp":"{TIME}"}}',
    ),
    (
        "receivedAt empty: from the record",
        '{"type":"delete","userId":"1","userID":"1","receivedAt":""}',
        f'{{"type":"delete","userId":"1","userID":"1","receivedAt":"","timestamp":"{TIME}"}}',
    ),
    (
        "nulls are replaced in place",
        '{"timestamp":null,"userId":null,"type":"delete","userID":"1"}',
        f'{{"timestamp":"{TIME}","userId":"1","type":"delete","userID":"1"}}',
    ),
    (
        "white space stays",
        ' {\n  "type" : "delete" ,\n  "userId" : null ,\n  "userID" : "1"\n} \n',
        f' {{\n  "type" : "delete" ,\n  "userId" : "1" ,\n  "userID" : "1"\n,"timestamp":"{TIME}"}} \n',
    ),
    (
        "nested members are other members",
        '{"type":"delete","context":{"userID":"x","timestamp":null},"userId":"1"}',
        '{"type":"delete","context":{"userID":"x","timestamp":null},"userId":"1","userID":"1",'
        f'"timestamp":"{TIME}"}}',
    ),
    (
        "text that looks like structure",
        '{"type":"delete","a":"}\\",\\"userID\\":\\"x\\\\","b":["{","]"],"userId":"1","timestamp":"t"}',
        '{"type":"delete","a":"}\\",\\"userID\\":\\"x\\\\","b":["{","]"],"userId":"1","timestamp":"t","userID":"1"}',
    ),
    (
        "numbers and escapes are copied as written",
        '{"type":"delete","userId":1.50e2,"receivedAt":"\\u0041"}',
        '{"type":"delete","userId":1.50e2,"receivedAt":"\\u0041","userID":1.50e2,"timestamp":"\\u0041"}',
    ),
    (
        "keys may be escaped",
        '{"type":"delete","user\\u0049d":"1","userID":"1","timestamp":"t"}',
        '{"type":"delete","user\\u0049d":"1","userID":"1","timestamp":"t"}',
    ),
    (
        "the last of repeated members counts: value",
        '{"type":"delete","userId":null,"userId":"1","userID":"1","timestamp":"t"}',
        '{"type":"delete","userId":null,"userId":"1","userID":"1","timestamp":"t"}',
    ),
    (
        "the last of repeated members counts: null",
        '{"type":"delete","userId":"0","userId":null,"userID":"1","timestamp":"t"}',
        '{"type":"delete","userId":"0","userId":"1","userID":"1","timestamp":"t"}',
    ),
    (
        "two different ids both stay",
        '{"type":"delete","userId":"1","userID":"2","timestamp":"t"}',
        '{"type":"delete","userId":"1","userID":"2","timestamp":"t"}',
    ),
    (
        "no id in either spelling: left out",
        '{"type":"delete","userId":null,"anonymousId":"a","timestamp":"t"}',
        '{"type":"delete","userId":null,"anonymousId":"a","timestamp":"t"}',
    ),
    (
        "an empty id or an object is no id",
        '{"type":"delete","userId":"","userID":{},"timestamp":"t"}',
        '{"type":"delete","userId":"","userID":{},"timestamp":"t"}',
    ),
    (
        "an empty id is not taken over",
        '{"type":"delete","userId":"","userID":"2","timestamp":"t"}',
        '{"type":"delete","userId":"","userID":"2","timestamp":"t"}',
    ),
    ("an empty object", "{ }", f'{{ "type":"delete","timestamp":"{TIME}"}}'),
]


@pytest.mark.parametrize(("body", "sent"), [case[1:] for case in EXACT], ids=[case[0] for case in EXACT])
def test_exact_bytes(body: str, sent: str) -> None:
    """What is missing or null is filled in, every other byte stays."""
    assert delete_notification(body.encode(), TIME_MS).decode() == sent


@pytest.mark.parametrize(
    ("timestamp_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (TIME_MS, TIME),
        (1_700_000_000_999, "2023-11-14T22:13:20.999Z"),
    ],
)
def test_time_of_the_record(timestamp_ms: int, text: str) -> None:
    """The record's time is written with milliseconds in UTC."""
    assert json.loads(delete_notification(b'{"userId":"1"}', timestamp_ms))["timestamp"] == text


@pytest.mark.parametrize(
    ("timestamp_ms", "text"),
    [
        (-1, "1970-01-01T00:00:00.000Z"),
        (-(2**63), "1970-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (2**62, "9999-12-31T23:59:59.999Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_notification_always_has_a_timestamp(timestamp_ms: int, text: str) -> None:
    """A record's time that RFC 3339 cannot express becomes the nearest one that it can."""
    assert json.loads(delete_notification(b'{"userId":"1"}', timestamp_ms))["timestamp"] == text


@pytest.mark.parametrize("timestamp_ms", [-1, 2**62])
def test_the_event_has_better_times_than_an_unusable_one(timestamp_ms: int) -> None:
    """Where the record's time is unusable, the event's own times come first."""
    sent = b'{"userId":"1","originalTimestamp":"o","sentAt":"s"}'
    assert json.loads(delete_notification(sent, timestamp_ms))["timestamp"] == "s"
    assert json.loads(delete_notification(b'{"sentAt":null,"originalTimestamp":"o"}', timestamp_ms))["timestamp"] == "o"
    assert json.loads(delete_notification(sent, TIME_MS))["timestamp"] == TIME


def test_deep_and_large_bodies() -> None:
    """Neither depth nor length of other members matters."""
    body = b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b',"b":"' + b'\\"' * 500_000 + b'","userId":"1"}'
    assert (
        delete_notification(body, -1)
        == body[:-1] + b',"type":"delete","userID":"1","timestamp":"1970-01-01T00:00:00.000Z"}'
    )


def test_an_event_that_takes_too_long_is_left_as_it_stands() -> None:
    """Names that repeat a thousand times, or as many deeply nested members, are not looked through one by one."""
    for member in (b'"type":"delete"', b'"a":[[[[[[]]]]]]'):
        body = b'{"userId":"1",' + b",".join([member] * 2_000) + b"}"
        assert delete_notification(body, TIME_MS) == body


@pytest.mark.parametrize(
    "member",
    [b'"a":1', b'"\\u0061":[{}]', b'"a":{"b":[{"c":"]"}]}', b'"userIds":"{"'],
    ids=["flat", "escaped", "nested", "like a needed one"],
)
def test_very_many_members(member: bytes) -> None:
    """Their number does not matter: what is missing is added."""
    body = b'{"userId":"1",' + b",".join([member] * 50_000) + b',"timestamp":"t"}'
    assert delete_notification(body, TIME_MS) == body[:-1] + b',"type":"delete","userID":"1"}'


def test_members_with_their_places() -> None:
    """The scanner names each top-level member and where its value lies."""
    body = b'{"a" : 1, "b":[{"c":"]"}] ,"a":"\\u00e9"}'
    found = [(member.name, body[member.start : member.end]) for member in top_level_members(body)]
    assert found == [("a", b"1"), ("b", b'[{"c":"]"}]'), ("a", b'"\\u00e9"')]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8") | st.sampled_from('{}[]",:\\ \n'))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["type", "userId", "userID", "timestamp", "receivedAt", "a"]) | st.text(max_size=4)
MEMBERS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
SPACE = st.text(" \t\r\n", max_size=2)


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, Any]]]:
    """The text of an object with any white space and repeated names, and its members."""
    members = draw(MEMBERS)
    ascii_only = draw(st.booleans())
    texts = []
    for name, value in members:
        parts = [json.dumps(name, ensure_ascii=ascii_only), ":", json.dumps(value, ensure_ascii=ascii_only)]
        texts.append("".join(draw(SPACE) + part + draw(SPACE) for part in parts))
    text = draw(SPACE) + "{" + (",".join(texts) or draw(SPACE)) + "}" + draw(SPACE)
    return text.encode(), members


@given(objects())
def test_members_of_any_object(drawn: tuple[bytes, list[tuple[str, Any]]]) -> None:
    """The scanner finds the members that a parser finds, each with its whole value."""
    body, members = drawn
    found = [(member.name, json.loads(body[member.start : member.end].decode())) for member in top_level_members(body)]
    assert found == members


@given(objects())
def test_only_what_is_missing_is_added(drawn: tuple[bytes, list[tuple[str, Any]]]) -> None:
    """A parsed notification is the parsed event plus what was missing or null, and nothing else."""
    body, _ = drawn
    event = json.loads(body)
    ids = [event.get(name) for name in ("userId", "userID")]
    usable = [i for i in ids if isinstance(i, str | int | float) and not isinstance(i, bool) and i != ""]
    received_at = event.get("receivedAt")
    needed = {"type": "delete", "timestamp": TIME if received_at in (None, "") else received_at}
    if usable:
        needed |= {"userId": usable[0], "userID": usable[0]}
    added = {name: value for name, value in needed.items() if event.get(name) is None}
    sent = delete_notification(body, TIME_MS)
    assert json.loads(sent) == event | added
    assert delete_notification(sent, TIME_MS) == sent
    if not added:
        assert sent == body

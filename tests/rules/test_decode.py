"""From bytes to events."""

import json

import pytest
from assertions import filled
from hypothesis import given
from hypothesis import strategies as st

from stream.model.events import Event, Invalid, Reason, type_label
from stream.model.records import Record
from stream.rules.decode import Decoder, Mode
from stream.validation import SchemaValidator

VALIDATOR = SchemaValidator()
STRICT = Decoder("strict", VALIDATOR)
LENIENT = Decoder("lenient", VALIDATOR)
OFF = Decoder("off", VALIDATOR)
DECODERS: dict[Mode, Decoder] = {"strict": STRICT, "lenient": LENIENT, "off": OFF}
TRACK = b'{"type":"track","userId":"u1","event":"e","messageId":"m1"}'


def record(value: bytes | None) -> Record:
    """A record with `value` at some place on a topic."""
    return Record("events", 0, 7, 1_700_000_000_000, None, value)


def event(value: bytes, decoder: Decoder = STRICT) -> Event:
    """The event in `value`, which must hold one."""
    decoded = decoder.decode(record(value))
    assert isinstance(decoded, Event), decoded
    return decoded


def invalid(value: bytes, decoder: Decoder = STRICT) -> Invalid:
    """Why `value` holds no event; it must hold none."""
    decoded = decoder.decode(record(value))
    assert isinstance(decoded, Invalid), decoded
    return decoded


def nested(depth: int, inner: bytes = b"0") -> bytes:
    """A track event of which a property is nested `depth` deep."""
    return TRACK[:-1] + b',"properties":' + b"[" * depth + inner + b"]" * depth + b"}"


NOT_JSON = {
    "empty": b"",
    "white space": b" \n",
    "not JSON": b"hello",
    "Avro": b"\x02\x0ahello\x00\x01",
    "cut short": TRACK[:-1],
    "two values": TRACK + TRACK,
    "trailing zero byte": TRACK + b"\x00",
    "NaN": b'{"type":"track","userId":"u1","event":"e","properties":{"a":NaN}}',
    "Infinity": b'{"type":"track","userId":"u1","event":"e","properties":{"a":Infinity}}',
    "-Infinity": b'{"type":"track","userId":"u1","event":"e","properties":{"a":-Infinity}}',
    "NaN behind a lone surrogate": b'{"type":"track","userId":"\\ud83d","event":"e","properties":{"a":NaN}}',
    "invalid UTF-8": b'{"type":"track","userId":"\xff","event":"e"}',
    "surrogate in UTF-8": b'{"type":"track","userId":"\xed\xa0\xbd","event":"e"}',
    "byte order mark within": TRACK[:1] + b"\xef\xbb\xbf" + TRACK[1:],
    "UTF-16": TRACK.decode().encode("utf-16-le"),
    "control character in a string": b'{"type":"track","userId":"\n","event":"e"}',
    "single quotes": b"{'type':'track'}",
    "leading zero": b'{"type":"track","userId":01,"event":"e"}',
    "framing and nothing else": b"\x00\x00\x00\x00\x01",
    "framing cut short": b"\x00\x00",
    "nested 1,100 deep": nested(1_100),
    "nested 1,400 deep": nested(1_400),
    "nested 5,000 deep": nested(5_000),
    "nested 1,100 deep around a lone surrogate": nested(1_100, b'"\\ud83d"'),
    "nested 100,000 deep": nested(100_000),
    "opened 100,000 times": b"[" * 100_000,
}


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON)
def test_not_json(value: bytes, decoder: Decoder) -> None:
    """What JSON's grammar does not allow is invalid in every mode."""
    answer = invalid(value, decoder)
    assert answer.reason is Reason.INVALID_JSON
    assert answer.type_label == "custom"


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
@pytest.mark.parametrize("value", [b"null", b"true", b"[]", b'"track"', b"17", b"1e400", b'"\\ud83d"'])
def test_not_an_object(value: bytes, decoder: Decoder) -> None:
    """JSON that is no object is no event in any mode."""
    assert invalid(value, decoder) == Invalid(Reason.INVALID_EVENT, "The value is not a JSON object.")


def test_tombstone() -> None:
    """A record without a value is neither an event nor invalid."""
    assert STRICT.decode(record(None)) is None


def test_event_of_a_record() -> None:
    """An event carries its record, its bytes, its type, its user, its message id and the parsed value."""
    source = record(TRACK)
    assert STRICT.decode(source) == Event(source, TRACK, "track", "u1", "m1", json.loads(TRACK))


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b"\x00\x00\x00\x01\x02\xef\xbb\xbf"])
def test_a_byte_order_mark_is_skipped(head: bytes) -> None:
    """It is no part of the JSON, and is not sent."""
    assert event(head + TRACK).body == TRACK


def test_framing_is_stripped() -> None:
    """A Schema Registry header is skipped; the body is the JSON behind it."""
    assert event(b"\x00\x00\x00\x01\x02" + TRACK).body == TRACK


ACCEPTED = {
    "lone surrogate in a property": TRACK[:-1] + b',"properties":{"a":"\\ud83d"}}',
    "lone surrogate as a key": TRACK[:-1] + b',"\\udc00":1}',
    "nested 100 deep": nested(100),
    "nested 1,000 deep": nested(1_000),
    "nested 500 deep around a lone surrogate": nested(500, b'"\\ud83d"'),
    "nested 1,000 deep around a lone surrogate": nested(1_000, b'"\\ud83d"'),
    "brackets in a text beside a lone surrogate": TRACK[:-1] + b',"a":"' + b"[{" * 2_000 + b'","b":"\\ud83d"}',
    "30 digits": TRACK[:-1] + b',"properties":{"a":123456789012345678901234567890}}',
    "10,000 digits": TRACK[:-1] + b',"properties":{"a":' + b"9" * 10_000 + b"}}",
    "number beyond a double": TRACK[:-1] + b',"properties":{"a":1e400}}',
    "repeated keys": b'{"type":"page","type":"track","userId":"u1","event":"e","event":"f"}',
    "1 MB": TRACK[:-1] + b',"properties":{"a":"' + b"x" * 1_000_000 + b'"}}',
    "white space around": b" \n" + TRACK + b"\r\n\t",
    "escaped zero": TRACK[:-1] + b',"a":"\\u0000"}',
}


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED)
def test_all_of_json_is_accepted(value: bytes) -> None:
    """What JSON's grammar allows is an event and keeps its bytes."""
    decoded = event(value)
    assert decoded.body == value
    assert decoded.type == "track"


@pytest.mark.parametrize(
    ("raw", "type_"),
    [
        ('"track"', "track"),
        ('"Track"', "track"),
        ('" TRACK\\t"', "track"),
        ('"subscription renewed"', "subscription renewed"),
        ('" Renewed "', "renewed"),
        ('"\\ud83d"', "\ud83d"),
    ],
)
def test_types_are_trimmed_and_lower_cased(raw: str, type_: str) -> None:
    """A type is compared without white space around it and in lower case."""
    value = f'{{"type":{raw},"userId":"u1","event":"e"}}'.encode()
    assert event(value).type == type_
    assert event(value).body == value


def test_trimmed_type_is_validated() -> None:
    """A type in other letters is held against the same schema."""
    answer = invalid(b'{"type":" Track","userId":"u1"}')
    assert answer == Invalid(Reason.INVALID_EVENT, "event is missing.", "track")


NO_TYPE = {
    "no type": b'{"userId":"u1"}',
    "null type": b'{"type":null,"userId":"u1"}',
    "empty type": b'{"type":"","userId":"u1"}',
    "blank type": b'{"type":" \\t\\n ","userId":"u1"}',
    "number as type": b'{"type":5,"userId":"u1"}',
    "list as type": b'{"type":["track"],"userId":"u1"}',
    "object as type": b'{"type":{},"userId":"u1"}',
}


@pytest.mark.parametrize("value", NO_TYPE.values(), ids=NO_TYPE)
def test_no_type(value: bytes) -> None:
    """An event without a usable type is invalid, except with validation off, where it is of unknown type."""
    for decoder in (STRICT, LENIENT):
        answer = invalid(value, decoder)
        assert answer.reason is Reason.INVALID_EVENT
        assert answer.detail.startswith("type is ")
        assert answer.type_label == "custom"
    assert event(value, OFF).type == "unknown"
    assert type_label(event(value, OFF).type) == "custom"


NO_USER = b'{"type":"identify","traits":{"email":"a@example.com"}}'


def test_no_user() -> None:
    """An identify event without a user is invalid when strict, an event otherwise."""
    answer = invalid(NO_USER)
    assert answer.detail == "userId is missing and anonymousId is missing."
    assert answer.type_label == "identify"
    assert event(NO_USER, LENIENT).user is None
    assert event(NO_USER, OFF).user is None


def test_custom_types_need_no_user() -> None:
    """A type outside Segment's seven is held against the common schema only."""
    assert type_label(event(b'{"type":"heartbeat"}').type) == "custom"


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ('"userId":"u","anonymousId":"a","groupId":"g"', "u"),
        ('"userId":null,"anonymousId":"a","groupId":"g"', "a"),
        ('"userId":"","anonymousId":"a","groupId":"g"', "a"),
        ('"anonymousId":null,"groupId":"g"', "g"),
        ('"previousId":"p"', None),
        ('"userID":"u"', None),
        ('"userId":42', "42"),
        ('"userId":0', "0"),
        ('"userId":-7', "-7"),
        ('"userId":42.0', "42"),
        ('"userId":1.5', "1.5"),
        ('"userId":123456789012345678901234567890', "123456789012345678901234567890"),
        ('"userId":123456789012345678901234567890,"a":"\\ud83d"', "123456789012345678901234567890"),
        ('"userId":1e400', "1e400"),
        ('"userId":true,"groupId":"g"', "g"),
        ('"userId":{},"anonymousId":[],"groupId":"g"', "g"),
        ('"userId":"\\ud83d"', "\ud83d"),
    ],
)
def test_lane_of_a_user(fields: str, user: str | None) -> None:
    """The user is userId, else anonymousId, else groupId, as text; null and empty count as absent."""
    assert event(f'{{"type":"custom",{fields}}}'.encode()).user == user


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ('"userId":"a","userID":"b"', "a"),
        ('"userId":null,"userID":"b"', "b"),
        ('"userId":"","userID":5', "5"),
        ('"anonymousId":"a","groupId":"g"', None),
    ],
)
def test_lane_of_a_delete(fields: str, user: str | None) -> None:
    """The user of a delete is userId, else userID."""
    assert event(f'{{"type":"delete",{fields}}}'.encode(), LENIENT).user == user


@pytest.mark.parametrize(
    ("raw", "message_id"),
    [
        ('"m-1"', "m-1"),
        ('""', None),
        ("null", None),
        ("17", "17"),
        ("123456789012345678901234567891", "123456789012345678901234567891"),
        ("false", None),
        ("[]", None),
        ('"\\udc00"', "\udc00"),
    ],
)
def test_message_id(raw: str, message_id: str | None) -> None:
    """A message id is text or a number; anything else counts as none."""
    assert event(f'{{"type":"custom","messageId":{raw}}}'.encode()).message_id == message_id


def test_deep_event_with_a_long_number_as_id() -> None:
    """It is read to the last digit on every Python."""
    digits = b"123456789012345678901234567890"
    assert event(nested(1_000)[:-1] + b',"messageId":' + digits + b"}").message_id == digits.decode()


@given(st.binary())
def test_any_bytes_decode(value: bytes) -> None:
    """Decoding never raises, whatever the bytes."""
    for decoder in filled(DECODERS.values()):
        assert isinstance(decoder.decode(record(value)), Event | Invalid)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
FIELDS = ["type", "userId", "anonymousId", "groupId", "userID", "messageId", "event", "integrations"]


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES | st.just("track") | st.just("delete")))
def test_any_object_decodes(payload: dict[str, object]) -> None:
    """With validation off every object is an event, unless it holds what is not JSON; strict never raises."""
    value = json.dumps(payload).encode()
    is_json = not any(word in value for word in (b"NaN", b"Infinity"))
    decoded = OFF.decode(record(value))
    if is_json:
        assert isinstance(decoded, Event)
        assert decoded.user is None or isinstance(decoded.user, str)
    assert isinstance(STRICT.decode(record(value)), Event | Invalid)

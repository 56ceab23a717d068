"""The schema files, and the validator that reads them."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from stream.model.errors import StreamError
from stream.model.events import SEGMENT_TYPES
from stream.validation import SchemaValidator, schema_folder

VALIDATOR = SchemaValidator()
SCHEMAS = {
    name: json.loads((schema_folder() / f"{name}.schema.json").read_text(encoding="utf-8"))
    for name in ("common", *SEGMENT_TYPES)
}
EXAMPLES = [(name, example) for name, schema in SCHEMAS.items() for example in schema["examples"]]

PERSONAS = {
    "computation_class": "audience",
    "computation_id": "aud_123",
    "computation_key": "first_time_shopper",
    "namespace": "spa_123",
    "space_id": "spa_123",
}

WIRE_FORMS: dict[str, dict[str, Any]] = {
    "identify with version as a string": {"type": "identify", "userId": "1", "traits": {}, "version": "1.1"},
    "identify with version as a number": {"type": "identify", "userId": "1", "traits": {}, "version": 2},
    "identify with null ids beside one": {"type": "identify", "userId": "1", "anonymousId": None},
    "identify of an anonymous user": {"type": "identify", "userId": None, "anonymousId": "a"},
    "identify by an old library with a number": {"type": "identify", "userId": 12345},
    "identify with a fractional id": {"type": "identify", "userId": 12.5},
    "identify of PHP, objects written as arrays": {
        "type": "identify",
        "userId": "1",
        "traits": [],
        "context": [],
        "integrations": [],
    },
    "identify with everything null": {
        "type": "identify",
        "userId": "1",
        "traits": None,
        "context": None,
        "integrations": None,
        "messageId": None,
        "timestamp": None,
        "version": None,
    },
    "computed trait": {"type": "identify", "userId": "1", "traits": {"total_revenue_180_days": 450.00}},
    "trait computed": {
        "type": "track",
        "userId": "1",
        "event": "Trait Computed",
        "properties": {"trait_key": "total_revenue_180_days", "total_revenue_180_days": 450.00},
    },
    "audience entered": {
        "type": "track",
        "userId": "1",
        "event": "Audience Entered",
        "properties": {"audience_key": "first_time_shopper", "first_time_shopper": True},
        "context": {"personas": PERSONAS},
        "integrations": {"All": False, "tray.io": {"audience": 1}},
    },
    "audience left, as traits": {
        "type": "identify",
        "userId": "1",
        "traits": {"first_time_shopper": False},
        "context": {"personas": PERSONAS},
    },
    "journey, value as a string": {"type": "identify", "userId": "1", "traits": {"journey": "true"}},
    "track in device mode": {
        "type": "track",
        "anonymousId": "a",
        "event": "Order Completed",
        "properties": {},
        "_metadata": {"bundled": ["Google Analytics"], "unbundled": [], "bundledIds": []},
    },
    "track without properties": {"type": "track", "userId": "1", "event": "Order Completed"},
    "track with properties as an array": {"type": "track", "userId": "1", "event": "e", "properties": []},
    "track with extra keys": {
        "type": "track",
        "userId": "1",
        "event": "e",
        "projectId": "P0",
        "writeKey": "w",
        "sessionId": "s",
        "category": "c",
        "options": {},
        "channel": "client",
    },
    "page": {"type": "page", "anonymousId": "a", "name": "Home", "channel": "browser", "version": "1.1"},
    "page without a name": {"type": "page", "anonymousId": "a", "properties": None},
    "screen": {"type": "screen", "anonymousId": "a", "name": "Home", "channel": "mobile"},
    "group": {"type": "group", "userId": "1", "groupId": "g", "traits": {"name": "Initech"}},
    "group without a user": {"type": "group", "groupId": "g"},
    "group with a number": {"type": "group", "groupId": 0},
    "alias": {"type": "alias", "userId": "1", "previousId": "p"},
    "alias without a user": {"type": "alias", "previousId": "p"},
    "alias without a previous id": {"type": "alias", "userId": "1"},
    "delete with null objects and a time of Go": {
        "type": "delete",
        "channel": "server",
        "userId": "507f191e81",
        "context": None,
        "integrations": None,
        "messageId": "delete-reg-6543321::job-2-P0OJ3CTID1",
        "projectId": "P0OJ3CTID1",
        "timestamp": "2020-05-09T23:54:49.209Z",
        "receivedAt": "2020-05-09T23:54:49.209Z",
        "sentAt": "2020-05-09T17:49:00.000Z",
        "originalTimestamp": "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264",
    },
    "delete with arrays": {"type": "delete", "userId": "1", "context": [], "integrations": []},
    "delete in its reduced form": {
        "type": "delete",
        "userId": "019mr8mf4r",
        "timestamp": "2012-12-02T00:30:08.276Z",
    },
    "delete as the Tray page spells it": {"type": "delete", "userID": "1", "timestamp": "2012-12-02T00:30:08Z"},
    "a custom type": {"type": "subscription renewed"},
    "a custom type with what others require": {"type": "order", "userId": {}, "event": []},
}

SECRET = "do-not-tell"

FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("track", {}, "type is missing; userId is missing and anonymousId is missing; event is missing."),
    ("track", {"type": "track", "userId": "1"}, "event is missing."),
    ("track", {"type": "track", "userId": "1", "event": None}, "event is null."),
    ("track", {"type": "track", "userId": "1", "event": ""}, "event is empty."),
    ("track", {"type": "track", "userId": "1", "event": [SECRET]}, "event is not a string or a number."),
    ("track", {"type": "track", "event": SECRET}, "userId is missing and anonymousId is missing."),
    ("identify", {"type": "identify", "traits": {"a": SECRET}}, "userId is missing and anonymousId is missing."),
    ("page", {"type": "page", "userId": None}, "userId is null and anonymousId is missing."),
    ("screen", {"type": "screen", "userId": "", "anonymousId": ""}, "userId is empty and anonymousId is empty."),
    (
        "screen",
        {"type": "screen", "userId": {"a": SECRET}, "anonymousId": True},
        "userId is not a string or a number and anonymousId is not a string or a number.",
    ),
    ("group", {"type": "group", "userId": SECRET}, "groupId is missing."),
    ("alias", {"type": "alias", "anonymousId": SECRET}, "previousId is missing and userId is missing."),
    ("delete", {"type": "delete", "anonymousId": SECRET}, "userId is missing and userID is missing."),
    ("delete", {"type": "delete", "userId": None, "userID": ""}, "userId is null and userID is empty."),
    ("custom", {"userId": SECRET}, "type is missing."),
    ("custom", {"type": None}, "type is null."),
    ("custom", {"type": 7777}, "type is not a string."),
    ("custom", {"type": ""}, "type is blank."),
    ("custom", {"type": " \t\n"}, "type is blank."),
]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_file_is_a_schema(name: str) -> None:
    """Every file is a valid draft 2020-12 schema that says what it is and where it comes from."""
    schema = SCHEMAS[name]
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"tray-stream/{name}.schema.json"
    assert schema["title"]
    assert schema["description"]
    assert "Segment" in schema["$comment"]
    assert jsonschema_rs.meta.is_valid(schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_schema_closes_a_type(name: str) -> None:
    """Extra keys are allowed everywhere."""
    text = json.dumps(SCHEMAS[name])
    assert "additionalProperties" not in text
    assert "unevaluatedProperties" not in text


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_examples_validate(name: str, example: dict[str, Any]) -> None:
    """Each example in a schema is valid by it."""
    assert VALIDATOR.fault(name, example) is None


@pytest.mark.parametrize("payload", WIRE_FORMS.values(), ids=WIRE_FORMS)
def test_every_wire_form_validates(payload: dict[str, Any]) -> None:
    """What Segment's libraries and products write is never refused."""
    assert VALIDATOR.fault(payload["type"], payload) is None


@pytest.mark.parametrize("type_", SEGMENT_TYPES)
@pytest.mark.parametrize("empty", [None, [], {}])
def test_empty_objects_are_equal(type_: str, empty: object) -> None:
    """null, [] and {} are equally legal for every type's objects."""
    payload = {"type": type_, "userId": "1", "groupId": "1", "event": "e"}
    objects = dict.fromkeys(("context", "integrations", "traits", "properties"), empty)
    assert VALIDATOR.fault(type_, payload | objects) is None


@pytest.mark.parametrize(("type_", "payload", "sentence"), FAULTS)
def test_faults_name_the_field(type_: str, payload: dict[str, Any], sentence: str) -> None:
    """A fault names each failing field and what is wrong with it, never a value."""
    fault = VALIDATOR.fault(type_, payload)
    assert fault == sentence
    assert SECRET not in fault
    assert "7777" not in fault


def nested(depth: int) -> dict[str, Any]:
    """An object in an object, `depth` times."""
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"a": inner}
    return inner


HARD_VALUES = {
    "lone surrogate": "\ud83d",
    "lone surrogate as a key": {"\ud83d": 1},
    "integer beyond 64 bits": 10**30,
    "number beyond a double": float("inf"),
    "deep": nested(100_000),
}


@pytest.mark.parametrize("value", HARD_VALUES.values(), ids=HARD_VALUES)
@pytest.mark.parametrize("field", ["userId", "type", "event", "properties", "\udc00"])
def test_hard_values_are_judged(field: str, value: object) -> None:
    """What JSON's grammar allows gets an answer, whichever field it is in, with and without another fault."""
    payload: dict[str, Any] = {"type": "track", "anonymousId": "1", "event": "e", field: value}
    fault = VALIDATOR.fault("track", payload)
    if isinstance(value, str) or field in ("userId", "properties", "\udc00"):
        assert fault is None
    del payload["anonymousId"]
    payload["userId"] = None
    fault = VALIDATOR.fault("track", payload)
    assert fault is not None
    assert "userId is null and anonymousId is missing" in fault


def test_number_beyond_a_double_is_an_id() -> None:
    """1e400 is a number: a user id like any other."""
    assert VALIDATOR.fault("identify", {"type": "identify", "userId": float("inf")}) is None


def test_missing_schemas_are_said(tmp_path: Path) -> None:
    """Without its schema files the validator does not start."""
    with pytest.raises(StreamError, match=r"schemas in .* cannot be used"):
        SchemaValidator(tmp_path)

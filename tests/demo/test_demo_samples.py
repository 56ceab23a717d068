"""The sample events hold every type and form, and are the same for the same seed."""

from __future__ import annotations

import json
from collections import Counter

import orjson
import pytest

from stream.demo import samples
from stream.model.events import SEGMENT_TYPES

EVENTS = samples.sample_events(40)


def test_the_same_seed_makes_the_same_events() -> None:
    """A run can be repeated; another seed makes others."""
    assert samples.sample_events(40) == EVENTS
    assert samples.sample_events(40, seed=1) != EVENTS
    assert samples.sample_events(80, seed=3)[0]["type"] == "identify"


def test_every_type_and_every_integrations_object_is_there() -> None:
    """Within the first forty events."""
    assert {event["type"] for event in EVENTS} == set(SEGMENT_TYPES)
    found = [event["integrations"] for event in EVENTS if "integrations" in event]
    assert [wanted for wanted in samples.INTEGRATIONS if wanted not in found] == []


def test_the_documented_forms_are_there() -> None:
    """Three of delete, a computed trait and an audience, numeric ids, and what the client has delivered itself."""
    deletes = [event for event in EVENTS if event["type"] == "delete"]
    assert {json.dumps(event.get("context", "none")) for event in deletes} == {"null", "[]", '"none"'}
    assert {"type", "userId", "timestamp"} in [set(event) for event in deletes]
    classes = Counter(event["context"]["personas"]["computation_class"] for event in personas())
    assert set(classes) == {"audience", "trait"}
    assert any(isinstance(event["userId"], int) for event in EVENTS)
    assert any("_metadata" in event for event in EVENTS)
    assert {"Order Completed", "Product Viewed"} <= {event.get("event") for event in EVENTS}


def personas() -> list[samples.Event]:
    return [event for event in EVENTS if isinstance(event.get("context"), dict) and "personas" in event["context"]]


def test_users_have_several_events_and_ids_are_unique() -> None:
    """So that order can be seen, and each event told from the others."""
    events = samples.sample_events(300)
    keys = [samples.event_key(event) for event in events]
    assert None not in keys
    assert Counter(keys).most_common(1)[0][1] > 3
    ids = [event["messageId"] for event in events if "messageId" in event]
    assert len(ids) == len(set(ids)) > 250


def test_events_are_plain_json_in_utf_8() -> None:
    """They survive the way to bytes and back, and some need more than ASCII."""
    values = [orjson.dumps(event) for event in samples.sample_events(300)]
    assert [orjson.loads(value) for value in values] == samples.sample_events(300)
    assert any(not value.isascii() for value in values)


@pytest.mark.parametrize(("label", "value"), [pytest.param(*p, id=p[0]) for p in samples.poison_values()])
def test_poison_values_are_what_their_names_say(label: str, value: bytes | None) -> None:
    """Legal ones are JSON objects with a type and a user; the others are not."""
    assert is_event(value) == (label in samples.LEGAL)


def is_event(value: bytes | None) -> bool:
    try:
        event = json.loads(value or b"", parse_constant=refuse)
    except ValueError:
        return False
    return isinstance(event, dict) and {"type", "userId"} <= set(event)


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def test_poison_values_have_the_sizes_that_they_claim() -> None:
    """One is a megabyte, one is nested a hundred deep."""
    values = dict(samples.poison_values())
    assert len(values["1 MB"] or b"") == 1_000_000
    assert (values["100-deep nesting"] or b"").count(b"{") == 101

"""Which events of a range are asked for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream.model.events import Event
from stream.model.records import Record
from stream.replay.event_query import EventQuery, Unselected
from stream.rules.decode import Decoder
from stream.validation.schemas import SchemaValidator

DECODE = Decoder("strict", SchemaValidator()).decode


def event(type_: str = "track", **fields: Any) -> Event:
    """A decoded event."""
    more = {"event": "Order Completed"} if type_ == "track" else {}
    payload = {"type": type_, "userId": "u1", "messageId": "m1", **more, **fields}
    found = DECODE(Record("t", 0, 1, 0, None, orjson.dumps(payload)))
    assert isinstance(found, Event)
    return found


@pytest.mark.parametrize(
    ("selection", "asked", "other", "reason"),
    [
        (EventQuery(types=frozenset({"Track"})), event(), event("page"), Unselected.TYPE),
        (EventQuery(events=("Order *",)), event(), event(event="Viewed"), Unselected.EVENT),
        (EventQuery(events=("Order *",)), event(), event("page"), Unselected.EVENT),
        (EventQuery(users=frozenset({"u1"})), event(), event(userId="u2"), Unselected.USER),
        (EventQuery(users=frozenset({"17"})), event(userId=17), event(userId=18), Unselected.USER),
        (EventQuery(users=frozenset({"a1"})), event(anonymousId="a1"), event(anonymousId="a2"), Unselected.USER),
        (
            EventQuery(users=frozenset({"d"})),
            event("delete", userId=None, userID="d"),
            event("delete"),
            Unselected.USER,
        ),
        (EventQuery(message_ids=frozenset({"m1", "m3"})), event(), event(messageId="m2"), Unselected.MESSAGE_ID),
    ],
)
def test_each_option(selection: EventQuery, asked: Event, other: Event, reason: Unselected) -> None:
    """What it asks for passes, what it does not names the option."""
    assert selection.reason(asked) is None
    assert selection.reason(other) is reason
    assert not selection.is_everything


def test_nothing_asked_for_is_everything() -> None:
    """Without an option every event passes."""
    assert EventQuery().is_everything
    assert EventQuery().reason(event("page")) is None


def test_all_options_must_agree() -> None:
    """The first that says no is the reason."""
    both = EventQuery(types=frozenset({"track"}), users=frozenset({"u1"}))
    assert both.reason(event()) is None
    assert both.reason(event("page", userId="u2")) is Unselected.TYPE
    assert both.reason(event(userId="u2")) is Unselected.USER

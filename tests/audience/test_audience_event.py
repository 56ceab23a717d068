"""The identify event of a change, and the records that keep the state."""

from __future__ import annotations

import json
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audience.diff import EventForm, MemberChange
from stream.audience.names import Computation
from stream.audience.state_topic import StateHead, head_key, user_key, user_key_prefix, user_of_key
from stream.model.errors import ConfigError, SourceError
from stream.model.timeparse import format_wall

AUDIENCE = Computation.named("audience", "Order completed last 30days")
TRAIT = Computation.named("trait", "Total revenue 180 days")
REGISTERED = "2026-11-24T06:15:52.514Z"
FORM = EventForm(AUDIENCE, "tray.io", REGISTERED)


def test_an_audience_event_is_what_segment_sends() -> None:
    """Identify, one trait, personas, and the one destination."""
    event = json.loads(FORM.identify(MemberChange(b'"u1"', b"true", b"true"), 0, format_wall(1_795_500_952.541)))
    message_id = event.pop("messageId")
    assert re.fullmatch(r"[A-Za-z0-9_:-]{1,200}", message_id)
    assert event == {
        "type": "identify",
        "userId": "u1",
        "timestamp": "2026-11-24T06:15:52.541Z",
        "traits": {"order_completed_last_30days": True},
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_key": "order_completed_last_30days",
                "computation_id": AUDIENCE.id,
            }
        },
        "integrations": {"All": False, "tray.io": True},
    }


@pytest.mark.parametrize("value", [450, 0.5, "gold", "", True, None, 123456789012345678901234567890])
def test_a_trait_event_carries_the_value(value: object) -> None:
    """Every scalar as it is, however long the number."""
    change = MemberChange(b'"u1"', json.dumps(value).encode(), json.dumps(value).encode())
    event = json.loads(EventForm(TRAIT, "My tray", REGISTERED).identify(change, 7, "t"))
    assert event["traits"] == {"total_revenue_180_days": value}
    assert event["context"]["personas"]["computation_class"] == "trait"
    assert event["integrations"] == {"All": False, "My tray": True}


def test_a_change_that_is_written_again_keeps_its_message_id() -> None:
    """At another time, in another batch; the same user's next change has another one."""
    entered, left = MemberChange(b'"u1"', b"true", b"true"), MemberChange(b'"u1"', b"false", None)
    first, again = (json.loads(FORM.identify(entered, 5, when)) for when in ("t1", "t2"))
    assert first["messageId"] == again["messageId"]
    later = [FORM.message_id(entered, 6), FORM.message_id(left, 5), FORM.message_id(entered._replace(user=b'"u"'), 5)]
    other = EventForm(AUDIENCE, "tray.io", "2026-11-25T00:00:00.000Z")  # the state topic was made anew
    assert len({first["messageId"], *later, other.message_id(entered, 5)}) == 5


@given(st.text(), st.text(min_size=1))
def test_a_users_key_gives_the_user_back(user: str, key: str) -> None:
    """Whatever characters ids and keys are made of; the key is JSON."""
    prefix = user_key_prefix(key)
    record_key = user_key(prefix, orjson.dumps(user))
    assert orjson.loads(record_key) == [key, user]
    assert orjson.loads(user_of_key(prefix, record_key)) == user
    assert not head_key(key).startswith(prefix)


@given(st.text(), st.text(), st.text())
def test_no_key_is_taken_for_another_computations(user: str, key: str, other: str) -> None:
    """A key that begins like another one has its own records."""
    record_key = user_key(user_key_prefix(key), orjson.dumps(user))
    assert record_key.startswith(user_key_prefix(other)) == (key == other)


def head(name: str = AUDIENCE.name, partitions: int = 4) -> StateHead:
    """The head of the audience of these tests."""
    return StateHead("audience", name, AUDIENCE.id, REGISTERED, partitions, changes=3, synced_at=REGISTERED)


def test_a_head_survives_the_topic() -> None:
    """Encoded and decoded it is the same."""
    assert StateHead.decode(head().encode()) == head()


@pytest.mark.parametrize("value", [b"", b"[]", b"true", b'{"name":"x"}', b'{"other":1}'])
def test_a_strange_head_is_refused(value: bytes) -> None:
    """Somebody else writes to the topic."""
    with pytest.raises(SourceError, match="not of this program's form"):
        StateHead.decode(value)


def test_another_name_with_the_same_key_is_refused() -> None:
    """The text has both names, so that one of them can be mended."""
    with pytest.raises(ConfigError) as refused:
        head("order completed, last 30days").refuse_other(AUDIENCE, 4)
    assert '"Order completed last 30days" has the key order_completed_last_30days' in str(refused.value)
    assert 'the audience "order completed, last 30days" has already' in str(refused.value)


def test_a_trait_with_an_audiences_key_is_refused() -> None:
    """Both would set the same trait of a user."""
    with pytest.raises(ConfigError, match="which the audience"):
        head().refuse_other(Computation.named("trait", AUDIENCE.name), 4)


def test_a_state_topic_that_grew_is_refused() -> None:
    """A user's old and new record would lie in two partitions, in no order."""
    with pytest.raises(ConfigError, match="had 4 partitions"):
        head().refuse_other(AUDIENCE, 8)
    head().refuse_other(AUDIENCE, 4)

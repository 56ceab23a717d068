"""What of a range is to be sent to whom, and the census of it."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from assertions import filled

from stream.model.commit_map import Range
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record, TopicPartition
from stream.replay.event_query import EventQuery
from stream.replay.replay_filter import ReplayFilter
from stream.rules.decode import Decoder
from stream.rules.filter import EventFilter
from stream.runtime.decoding import RecordDecoder
from stream.validation.schemas import SchemaValidator

ORDERS = WorkflowPolicy("orders", types=frozenset({"track"}), events=("Order *",))
AUDIT = WorkflowPolicy("audit")
TP = TopicPartition("t", 0)


def sieve(
    selection: EventQuery | None = None, done: Mapping[TopicPartition, list[list[Range]]] | None = None
) -> ReplayFilter:
    """A sieve for two workflows."""
    workflows = [ORDERS, AUDIT]
    decode = RecordDecoder(Decoder("strict", SchemaValidator())).decode
    filter_ = EventFilter("tray.io", workflows)
    return ReplayFilter(decode, selection or EventQuery(), [w.name for w in workflows], filter_, done or {})


def record(offset: int, value: object) -> Record:
    """A record with a JSON value, or with these bytes."""
    return Record("t", 0, offset, 0, None, value if value is None or isinstance(value, bytes) else orjson.dumps(value))


def track(name: str, **more: object) -> dict[str, object]:
    """A track event."""
    return {"type": "track", "event": name, "userId": "u", **more}


def test_every_record_is_counted_once() -> None:
    """By type where it is to be sent, by reason where it is not."""
    found = sieve(EventQuery(types=frozenset({"track", "page"})))
    values = [
        track("Order Completed"),
        track("Viewed"),
        {"type": "page", "userId": "u"},
        {"type": "identify", "userId": "u"},
        track("Order Refunded", integrations={"All": False}),
        None,
        b"no JSON",
        {"type": "track", "userId": "u"},
    ]
    wanted = [found.wants(record(offset, value)) for offset, value in enumerate(values)]
    census = found.census
    assert wanted == [True, True, True, False, False, False, False, False]
    assert census.records == len(values)
    assert census.selected == {"track": 3, "page": 1}
    assert census.left_out == {"unselected_type": 1, "tombstone": 1, "invalid_json": 1, "invalid_event": 1}
    assert census.wanted == {"orders": {"track": 1}, "audit": {"track": 2, "page": 1}}
    assert census.unwanted == {"orders": {"event": 1, "type": 1, "integrations": 1}, "audit": {"integrations": 1}}
    assert census.deliveries == 4
    for name in filled(census.workflows):
        assert census.wanted[name].total() + census.unwanted[name].total() == census.selected.total()


def test_what_an_earlier_run_was_done_with_is_not_wanted_again() -> None:
    """Per workflow; an event goes on while any workflow is not done with it."""
    found = sieve(done={TP: [[(0, 2), (3, 4)], [(1, 2)]]})
    values = [track("Order Completed")] * 5
    assert [found.wants(record(offset, value)) for offset, value in enumerate(values)] == [
        True,
        False,
        True,
        True,
        True,
    ]
    assert found.census.wanted == {"orders": {"track": 2}, "audit": {"track": 4}}
    assert found.census.unwanted == {"orders": {"already_done": 3}, "audit": {"already_done": 1}}

"""What the engine says of the events that it holds, when it is asked."""

from __future__ import annotations

from dataclasses import replace

from support.engine_world import GROUP, EngineWorld
from support.scripted_workflow import statuses

from stream.model.events import Reason
from stream.model.held import MOST_LISTED, GroupHeld, HeldEvent, held_json, merged
from stream.model.policies import DeadLetterPolicy, EnginePolicy, WorkflowPolicy
from stream.model.records import RecordId
from stream.model.timeparse import format_wall
from stream.rules.outcome import RetryPolicy

HOLDING = WorkflowPolicy("orders", ordering="none", on_failure="hold")


def held_world(*answers: int) -> EngineWorld:
    """A workflow that holds, with one event that it answers so, the last answer again and again."""
    world = EngineWorld(workflows=[HOLDING], retry=RetryPolicy(max_s=10))
    world.workflows["orders"].script = statuses(*answers[:-1], then=answers[-1])
    world.assign_all()
    world.put("u")
    assert world.clock.jump_until(lambda: bool(world.engine.held().events), 60)
    return world


def test_a_held_event_is_listed_with_its_last_answer() -> None:
    """Since when it is held stays, its answer and attempts follow the attempts; it leaves once it is taken."""
    world = held_world(422, 503, 200)
    (first,) = world.engine.held().events
    assert first == HeldEvent("orders", RecordId("events", 0, 0), world.clock.wall(), Reason.REJECTED, "422", 1)
    assert world.clock.jump_until(lambda: world.engine.held().events[0].answer == "503", 60)
    (later,) = world.engine.held().events
    assert (later.since, later.attempts) == (first.since, 2)
    assert world.clock.jump_until(lambda: not world.engine.held().events, 60)


def test_the_flood_guards_events_and_partitions_are_listed() -> None:
    """Events that the guard keeps back, by workflow; an invalid record behind which a partition waits, without one."""
    policy = replace(EnginePolicy(GROUP), dead_letters=DeadLetterPolicy(max_consecutive=2))
    world = EngineWorld("orders", "audit", policy=policy, partitions=2)
    world.workflows["orders"].script = statuses(then=422)
    world.assign_all()
    for number in range(4):
        world.put(f"u{number}")
        world.broker.append(world.partitions[1], b'{"type":"track","userId":7}')
    assert world.clock.jump_until(
        lambda: world.engine.held().partitions == 1 and world.stats.workflows["orders"].held > 0, 60
    )
    found = world.engine.held()
    assert found.counts == {"orders": world.stats.workflows["orders"].held, "audit": 0}
    by_workflow = {event.workflow: event for event in found.events}
    assert by_workflow.keys() == {"orders", None}
    assert by_workflow["orders"].answer == "422"
    invalid = by_workflow[None]
    assert (invalid.place, invalid.reason, invalid.attempts) == (RecordId("events", 1, 2), Reason.INVALID_EVENT, 0)
    assert "event" in invalid.detail
    assert found.read_up_to == {"events:0": 4, "events:1": 3}


def test_a_partition_that_goes_takes_its_held_events_along() -> None:
    """Another member holds them from then on."""
    world = held_world(422)
    world.member.revoke(*world.partitions)
    assert world.clock.jump_until(lambda: not world.engine.held().events, 60)
    assert world.engine.held().read_up_to == {}


def test_a_long_list_is_cut_and_its_total_told() -> None:
    """The entries that are held longest are kept; what they come to is counted."""
    events = [
        HeldEvent("orders", RecordId("t", 0, n), 1000.0 - n, Reason.REJECTED, "422", 1) for n in range(MOST_LISTED + 1)
    ]
    found = held_json([GroupHeld(GROUP, {"orders": 7_000, "audit": 0}, 0, events, {"t:0": 9})])
    listed = found["held"]
    assert isinstance(listed, list)
    assert found["total"] == 7_000
    assert len(listed) == MOST_LISTED
    assert listed[0]["place"] == f"t:0:{MOST_LISTED}"
    assert listed[0]["since"] == format_wall(1000.0 - MOST_LISTED)
    assert {"group": GROUP, "workflow": "audit", "held": 0} in found["workflows"]  # type: ignore[operator]  # a list


def test_answers_of_workers_are_added_up() -> None:
    """One row for each workflow; each entry names its worker."""
    event = HeldEvent("orders", RecordId("t", 0, 1), 5.0, Reason.REJECTED, "422", 1)
    one = held_json([GroupHeld(GROUP, {"orders": 1}, 0, [event], {"t:0": 2})])
    two = held_json([GroupHeld(GROUP, {"orders": 0}, 0, [], {"t:1": 3})])
    found = merged({0: one, 1: two})
    assert found["total"] == 1
    assert found["workflows"] == [
        {"group": GROUP, "workflow": "orders", "held": 1},
        {"group": GROUP, "workflow": None, "held": 0},
    ]
    assert [(entry["place"], entry["worker"]) for entry in found["held"]] == [("t:0:1", 0)]  # type: ignore[attr-defined]  # a list
    assert found["partitions"] == [
        {"group": GROUP, "partition": "t:0", "read_up_to": 2, "worker": 0},
        {"group": GROUP, "partition": "t:1", "read_up_to": 3, "worker": 1},
    ]

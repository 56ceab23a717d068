"""Statements and filters of workflows in the engine: who receives what, and how it is counted."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson
from assertions import every, filled
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.fql.rules import Filter, FilterSet
from stream.model.events import FilterReason
from stream.model.policies import EnginePolicy, Limits, WorkflowPolicy
from stream.rules.request import RequestBuilder

NO_EMAIL = Filter("drop_properties", fields=("traits.email",))


def workflow(name: str, *filters: Filter, where: str = "") -> WorkflowPolicy:
    """A workflow with these filters."""
    return WorkflowPolicy(name, filters=FilterSet(where, filters))


def bodies(world: EngineWorld, name: str) -> list[bytes]:
    """What arrived at a workflow, in order."""
    return [arrival.body for arrival in world.workflows[name].arrivals]


def filtered(world: EngineWorld, name: str) -> dict[str, int]:
    """What a workflow did not receive, by reason."""
    return {reason: count for reason, count in world.stats.workflows[name].filtered.items() if count}


def test_each_workflow_receives_what_it_asks_for() -> None:
    """One whole events, one without e-mails, one only some: bytes are the topic's where nothing changed."""
    world = EngineWorld(
        workflows=[
            workflow("whole"),
            workflow("private", NO_EMAIL),
            workflow("paying", where="traits.plan = 'paid'"),
        ]
    )
    world.put("u1", traits={"email": "a@b.c", "plan": "paid"})
    world.put("u2", traits={"plan": "free"})
    world.assign_all()
    world.run()
    first, second = bodies(world, "whole")
    assert bodies(world, "paying") == [first]
    without, unchanged = bodies(world, "private")
    assert unchanged == second
    expected = orjson.loads(first)
    del expected["traits"]["email"]
    assert without == orjson.dumps(expected)
    assert filtered(world, "paying") == {"where": 1}
    received, accounted_for = world.stats.identity()
    assert received == accounted_for


def test_reasons_are_counted_apart() -> None:
    """Where, sampled, filter and filter_error; an event that nobody receives is settled as filtered."""
    world = EngineWorld(
        workflows=[
            workflow("where", where="type = 'page'"),
            workflow("sampled", Filter("sample", percent=0)),
            workflow("dropped", Filter("drop", "event = 'Order Completed'")),
            workflow("failing", Filter("hash_properties", "'a' in properties.list", fields=("userId",))),
        ]
    )
    world.put("u1")
    world.assign_all()
    world.run()
    reasons = {name: filtered(world, name) for name in world.workflows}
    assert reasons == {
        "where": {"where": 1},
        "sampled": {"sampled": 1},
        "dropped": {"filter": 1},
        "failing": {"filter_error": 1},
    }
    assert every(not each.arrivals for each in world.workflows.values())


def test_an_event_that_cannot_be_judged_is_logged_now_and_then() -> None:
    """With its place, once in ten seconds, whatever their number."""
    world = EngineWorld(workflows=[workflow("failing", where="'a' in properties.list")])
    for number in range(50):
        world.put(f"u{number}")
    world.assign_all()
    world.run()
    world.clock.jump(60)
    (line,) = world.logger.fields_of("cannot judge an event")
    assert line == {"workflow": "failing", "place": "events:0:49", "events": 50}


def test_the_idempotency_key_and_the_lane_are_the_original_events() -> None:
    """Whatever the filters do to the ids."""
    ids = ("userId",)
    world = EngineWorld(workflows=[workflow("hashed", Filter("hash_properties", fields=ids))])
    world.workflows["hashed"].script = statuses(500, 500)
    sent = [world.put("ann"), world.put("ann")]
    world.assign_all()
    world.run()
    arrivals = world.workflows["hashed"].arrivals
    assert [arrival.key for arrival in arrivals] == [sent[0], sent[0], sent[0], sent[1]]
    hashed = hashlib.sha256(b"ann").hexdigest()
    assert every(orjson.loads(arrival.body)["userId"] == hashed for arrival in arrivals)


def test_retries_carry_the_same_body() -> None:
    """A body that filters made is the same at each attempt."""
    world = EngineWorld(workflows=[workflow("private", NO_EMAIL)])
    world.workflows["private"].script = statuses(500, 500)
    world.put("u1", traits={"email": "a@b.c"})
    world.assign_all()
    world.run()
    assert len(bodies(world, "private")) == 3
    assert len(set(bodies(world, "private"))) == 1


def test_a_dead_letter_is_the_original_record() -> None:
    """Filters apply to what is sent, not to what is kept."""
    world = EngineWorld(workflows=[workflow("private", NO_EMAIL)])
    world.workflows["private"].script = statuses(then=400)
    world.put("u1", traits={"email": "a@b.c"})
    world.assign_all()
    world.run()
    (letter,) = world.dead_letters.letters
    assert letter.record.value is not None
    assert orjson.loads(letter.record.value)["traits"] == {"email": "a@b.c"}


def test_a_reload_applies_other_filters_to_what_waits() -> None:
    """What is not wanted any more ends as filtered; what is, is sent as the new filters leave it."""
    slow = replace(workflow("orders"), concurrency=1)
    world = EngineWorld(workflows=[slow])
    for number in range(6):
        world.put(f"u{number}", traits={"email": "a@b.c", "number": number})
    world.assign_all()
    world.clock.jump(0.03)
    stricter = FilterSet("traits.number != 4", (NO_EMAIL,))
    world.reconfigure(replace(slow, filters=stricter))
    world.run()
    traits = [orjson.loads(body)["traits"] for body in bodies(world, "orders")]
    changed = [each for each in traits if "email" not in each]
    assert [each["number"] for each in traits] == [0, 1, 2, 3, 5]
    assert [each["number"] for each in changed][-2:] == [3, 5]
    assert filtered(world, "orders") == {"where": 1}
    received, accounted_for = world.stats.identity()
    assert received == accounted_for


def test_a_reload_with_another_salt_changes_what_is_sent() -> None:
    """The salt is a part of the filters."""
    hashing = Filter("hash_properties", fields=("userId",))
    one = replace(WorkflowPolicy("orders", concurrency=1), filters=FilterSet("", (hashing,), "old"))
    world = EngineWorld(workflows=[one])
    for _ in range(5):
        world.put("ann")
    world.assign_all()
    world.clock.jump(0.03)
    world.reconfigure(replace(one, filters=FilterSet("", (hashing,), "new")))
    world.run()
    sent = [orjson.loads(body)["userId"] for body in bodies(world, "orders")]
    assert sent[0] == hashlib.sha256(b"oldann").hexdigest()
    assert sent[-1] == hashlib.sha256(b"newann").hexdigest()


def test_bodies_that_filters_made_count_as_held() -> None:
    """Their bytes are a part of what max_open_bytes limits."""
    many = [workflow(f"w{number}", Filter("hash_properties", fields=(f"traits.f{number}",))) for number in range(5)]
    world = EngineWorld(workflows=many, policy=EnginePolicy("tray", limits=Limits(max_open_bytes=1_000_000)))
    for receiver in filled(world.workflows.values()):
        receiver.script = lambda _request: None
    for number in range(2_000):
        world.put(f"u{number}", traits={f"f{field}": "x" * 1_000 for field in range(5)})
    world.assign_all()
    world.clock.jump(1)
    assert world.stats.open_bytes > 5 * 5_000 * world.stats.open_events.total() > 0


def test_a_signature_is_of_the_body_as_it_is_sent() -> None:
    """And a delete event is completed after its filters."""
    policy = replace(workflow("private", Filter("drop_properties", fields=("context",))), shared_secret=b"s")
    world = EngineWorld(workflows=[policy])
    world.put("u1", type_="delete", context={"ip": "1.2.3.4"})
    world.assign_all()
    world.run()
    (body,) = bodies(world, "private")
    assert orjson.loads(body)["userID"] == "u1"
    assert "context" not in orjson.loads(body)


def test_a_reason_for_every_refusal() -> None:
    """The words of the language and those of the metric are the same."""
    assert {"where", "sampled", "filter", "filter_error"} <= set(FilterReason)
    assert RequestBuilder(workflow("w", NO_EMAIL), "agent").is_timed is False

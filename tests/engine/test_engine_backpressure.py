"""How far ahead the engine reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.engine.backpressure import LEAST, LONGEST_S
from stream.model.attempts import Answer
from stream.model.policies import WorkflowPolicy

FAST = WorkflowPolicy("fast", max_in_flight=64, concurrency=64)
EVENTS = 5000


def filled(*workflows: WorkflowPolicy, other_type: str = "track", every: int = 1) -> EngineWorld:
    """A world with events of as many users, none of them taken yet; each `every`th is of the other type."""
    world = EngineWorld(workflows=workflows)
    for n in range(EVENTS):
        world.put(f"u{n}", type_="track" if n % every else other_type)
    world.assign_all()
    return world


def most_open(world: EngineWorld) -> int:
    """Deliver everything; how many events were open at most."""
    most = 0
    while not world.everything_committed():
        world.clock.jump(0.01)
        most = max(most, world.stats.open_events["events"])
    return most


def test_nothing_is_taken_while_every_workflow_has_plenty() -> None:
    """A few hundred wait, not the topic; all of it is delivered without a pause between."""
    world = filled(FAST)
    assert LEAST < most_open(world) < 2 * LEAST
    assert len(world.workflows["fast"].delivered()) == EVENTS
    assert world.clock.monotonic() < EVENTS / 64 * 0.02 + 2


def test_a_slow_workflow_is_read_ahead_of_slowly() -> None:
    """Each hold ends before the source would pause; what waits grows by a batch, up to the open limits."""
    world = filled(FAST)
    world.workflows["fast"].latency_s = 0.7
    world.clock.jump(LONGEST_S / 2)
    first = world.stats.open_events["events"]
    assert LEAST <= first < 2 * LEAST
    world.clock.jump(2 * LONGEST_S)
    assert first < world.stats.open_events["events"] < EVENTS


def test_nothing_is_read_ahead_of_workflows_that_deliver_nothing() -> None:
    """An outage costs the memory of what waits already; afterwards everything arrives."""
    world = filled(FAST)
    world.workflows["fast"].script = statuses(then=503)
    world.clock.jump(60)
    assert LEAST <= world.stats.open_events["events"] < 2 * LEAST
    world.workflows["fast"].script = statuses()
    world.run()
    assert len(world.workflows["fast"].delivered()) == EVENTS


def test_one_workflow_that_has_plenty_does_not_keep_the_others_short() -> None:
    """A dead workflow's events wait for it while the other one is given more."""
    world = filled(FAST, WorkflowPolicy("dead"))
    world.workflows["dead"].script = statuses(then=503)
    world.clock.jump(5)
    assert len(world.workflows["fast"].delivered()) == EVENTS


@pytest.mark.parametrize("every", [5000, 100, 20])
def test_a_workflow_that_wants_few_events_does_not_have_the_topic_read_for_it(every: int) -> None:
    """One type in many: what waits stays at what the other workflow can use, and both get all they want."""
    deletions = WorkflowPolicy("privacy", types=frozenset({"delete"}))
    world = filled(FAST, deletions, other_type="delete", every=every)
    assert LEAST < most_open(world) < 2 * LEAST
    assert len(world.workflows["fast"].delivered()) == EVENTS
    assert len(world.workflows["privacy"].delivered()) == EVENTS // every


def test_a_workflow_that_wants_nothing_at_all_changes_nothing() -> None:
    """Nine of ten workflows wait for types that never come."""
    others = [WorkflowPolicy(f"w{n}", types=frozenset({"alias"})) for n in range(9)]
    assert LEAST < most_open(filled(FAST, *others)) < 2 * LEAST


@pytest.mark.parametrize("kept", ["fast", "other"])
def test_reading_ahead_is_limited_after_a_workflow_was_removed(kept: str) -> None:
    """A reload that removes one of two, whichever is first in the list, leaves the level at the other's."""
    policies = {name: replace(FAST, name=name) for name in ("fast", "other")}
    world = filled(*policies.values())
    world.clock.jump(0.05)
    world.reconfigure(policies[kept])
    assert LEAST < most_open(world) < 2 * LEAST
    world.reconfigure(policies[kept], policies["fast"] if kept == "other" else policies["other"])
    for n in range(EVENTS):
        world.put(f"v{n}")
    assert LEAST < most_open(world) < 3 * LEAST


def test_a_workflow_that_wants_a_good_part_is_read_on_for() -> None:
    """While one has plenty, another one that wants every third event is not held to its speed."""
    slow, third = replace(FAST, name="slow", concurrency=4), WorkflowPolicy("third", types=frozenset({"identify"}))
    world = filled(slow, third, other_type="identify", every=3)
    world.clock.jump(5)
    assert len(world.workflows["third"].delivered()) > 1600


@pytest.mark.parametrize("trouble", [Answer(503), Answer(0, "timeout"), None], ids=["down", "timeouts", "no answer"])
def test_a_dead_workflow_does_not_keep_one_that_wants_few_from_its_events(trouble: Answer | None) -> None:
    """Whether its gate closes or it only hangs, the topic is read on up to the open limits."""
    deletions = WorkflowPolicy("privacy", types=frozenset({"delete"}))
    world = filled(replace(FAST, name="dead"), deletions, other_type="delete", every=100)
    world.workflows["dead"].script = lambda _request: trouble
    world.workflows["dead"].latency_s = 10
    world.clock.jump(10)
    assert len(world.workflows["privacy"].delivered()) == EVENTS // 100

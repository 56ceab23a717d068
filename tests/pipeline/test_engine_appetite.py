"""How far ahead the engine reads."""

from __future__ import annotations

from stream.core.model import WorkflowPolicy
from stream.pipeline.appetite import LEAST, LONGEST_S
from stream.testing.engine_world import EngineWorld
from stream.testing.scripted_workflow import statuses

FAST = WorkflowPolicy("fast", max_in_flight=64, concurrency=64)
EVENTS = 5000


def filled(*workflows: WorkflowPolicy) -> EngineWorld:
    """A world with events of as many users, none of them taken yet."""
    world = EngineWorld(workflows=workflows)
    for n in range(EVENTS):
        world.put(f"u{n}")
    world.assign_all()
    return world


def test_nothing_is_taken_while_every_workflow_has_plenty() -> None:
    """A few hundred wait, not the topic; all of it is delivered without a pause between."""
    world, most = filled(FAST), 0
    while not world.everything_committed():
        world.clock.jump(0.01)
        most = max(most, world.stats.open_events["events"])
    assert LEAST < most < 2 * LEAST
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

"""Nothing is sent for partitions that go, however they go: what their attempts leave room for is the others' alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.model.policies import DeadLetterPolicy, EnginePolicy, WorkflowPolicy

SLOW = WorkflowPolicy("orders", max_in_flight=20, concurrency=20)
PARTITIONS = 4


def busy_world(*workflows: WorkflowPolicy) -> EngineWorld:
    """Four partitions with fifty events each, twenty of which are in flight and do not come back."""
    world = EngineWorld(partitions=PARTITIONS, workflows=workflows or (SLOW,))
    for n in range(50 * PARTITIONS):
        world.put(f"u{n}", partition=n % PARTITIONS)
    for workflow in world.workflows.values():
        workflow.script = lambda _request: None
    world.assign_all()
    world.clock.jump(1)
    assert [workflow.in_flight for workflow in world.workflows.values()] == [20] * len(world.workflows)
    return world


def arrivals(world: EngineWorld) -> list[int]:
    """How many requests each workflow has seen."""
    return [len(workflow.arrivals) for workflow in world.workflows.values()]


@pytest.mark.parametrize(
    "go",
    [
        lambda world: world.member.lose(*world.partitions),
        lambda world: world.engine.fail(),
        lambda world: world.engine.stop(),
        lambda world: world.member.revoke(*world.partitions),
        lambda world: [world.member.revoke(tp) for tp in world.partitions],
    ],
    ids=["lost", "failed", "stopped", "revoked together", "revoked one after the other"],
)
def test_nothing_is_sent_for_partitions_that_go_together(go: Callable[[EngineWorld], object]) -> None:
    """Whether they are lost, revoked or the engine ends: not one request more, and those in flight are given up."""
    world = busy_world(SLOW, replace(SLOW, name="audit"))
    before = arrivals(world)
    go(world)
    world.clock.jump(60)
    assert arrivals(world) == before
    assert [workflow.in_flight for workflow in world.workflows.values()] == [0, 0]


def test_only_partitions_that_stay_get_the_room_of_those_that_go() -> None:
    """Three of four are lost at once: from then on only the fourth one's events are sent, at once."""
    world = busy_world()
    before = len(world.workflows["orders"].arrivals)
    world.member.lose(*world.partitions[:3])
    later = world.workflows["orders"].arrivals[before:]
    assert later
    assert {arrival.key.split("-")[0] for arrival in later} == {"3"}


def test_partitions_granted_anew_without_a_word_begin_together() -> None:
    """A grant of what is owned already ends the old assignments first; nothing of theirs is started between."""
    world = busy_world()
    before = arrivals(world)
    world.assign_all()
    assert arrivals(world) == before
    world.workflows["orders"].script = statuses()
    world.run()
    assert_each_delivered_once(world)


def test_a_reload_starts_nothing_in_a_partition_that_drains() -> None:
    """A held record that the new settings take is not sent while its partition is given back."""
    policy = EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=0))
    world = EngineWorld(policy=policy)
    sent = world.put("ann")
    world.workflows["orders"].script = lambda _request: None
    world.broker.append(world.partitions[0], b'{"type": "track", "messageId": "0-1"}')
    world.put("bob")
    world.assign_all()
    world.clock.jump(1)
    world.member.revoke(*world.partitions)
    world.reconfigure(WorkflowPolicy("orders"), validation="off")
    world.clock.jump(60)
    assert [arrival.key for arrival in world.workflows["orders"].arrivals] == [sent]


def assert_each_delivered_once(world: EngineWorld) -> None:
    """Every event of every partition was delivered, exactly once."""
    keys = [key for workflow in world.workflows.values() for key in workflow.delivered()]
    assert len(keys) == len(set(keys)) == 50 * PARTITIONS

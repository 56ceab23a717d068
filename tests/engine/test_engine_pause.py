"""A paused workflow: nothing is sent to it, its events wait in order, and no time passes for them."""

from __future__ import annotations

from dataclasses import replace

from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.engine.gate import RetryClock
from stream.engine.pacing import Pace, Turn
from stream.model.attempts import Answer
from stream.model.policies import EnginePolicy, GatePolicy, Limits, WorkflowPolicy
from stream.rules.outcome import RetryPolicy

ORDERS = WorkflowPolicy("orders", concurrency=64)
PAUSED = replace(ORDERS, paused=True)
AUDIT = WorkflowPolicy("audit", concurrency=64)


def keys(world: EngineWorld, name: str = "orders") -> list[str]:
    """What arrived at that workflow, in order."""
    return [arrival.key for arrival in world.workflows[name].arrivals]


def test_nothing_is_sent_while_paused_and_all_of_it_after_in_order() -> None:
    """A reload pauses, another one resumes; what came meanwhile is delivered as if it had come just now."""
    world = EngineWorld(workflows=[PAUSED])
    world.assign_all()
    events = [world.put("ada") for _ in range(30)]
    world.clock.jump(3600)
    assert keys(world) == []
    assert (world.committed(), world.stats.workflows["orders"].paused) == (0, True)
    world.reconfigure(ORDERS)
    world.run()
    assert keys(world) == events
    assert world.stats.workflows["orders"].paused is False


def test_what_is_in_flight_when_it_is_paused_is_answered() -> None:
    """Its answer counts, and nothing follows it."""
    world = EngineWorld(workflows=[ORDERS])
    world.workflows["orders"].latency_s = 5.0
    world.assign_all()
    first, second = world.put("ada"), world.put("ada")
    world.clock.jump(1.0)
    world.reconfigure(PAUSED)
    world.clock.jump(3600)
    assert keys(world) == [first]
    assert world.committed() == 1
    world.reconfigure(ORDERS)
    world.run()
    assert keys(world) == [first, second]


def test_retry_times_stand_still() -> None:
    """An event that is being retried does not expire of a pause, however often it is paused."""
    world = EngineWorld(workflows=[ORDERS], retry=RetryPolicy(initial_s=1.0, max_s=1.0, for_s=30.0))
    world.workflows["orders"].script = lambda _request: Answer(500)
    world.assign_all()
    event = world.put("ada")
    world.clock.jump(5)
    for _ in range(3):
        world.reconfigure(PAUSED)
        world.clock.jump(3600)
        world.reconfigure(ORDERS)
        world.clock.jump(1)
    assert world.dead_letters.stored == []
    world.workflows["orders"].script = statuses(200)
    world.run()
    assert world.workflows["orders"].delivered() == [event]


def test_retry_times_go_on_afterwards() -> None:
    """A pause adds to them what it took, no more."""
    world = EngineWorld(workflows=[ORDERS], retry=RetryPolicy(initial_s=1.0, max_s=1.0, for_s=30.0))
    world.workflows["orders"].script = lambda _request: Answer(500)
    world.assign_all()
    world.put("ada")
    world.clock.jump(10)
    world.reconfigure(PAUSED)
    world.clock.jump(100)
    world.reconfigure(ORDERS)
    world.run(limit_s=25)
    assert len(world.dead_letters.stored) == 1


def test_no_probe_goes_through_a_closed_gate() -> None:
    """The gate stays as it was, and is probed as soon as the workflow is resumed."""
    gate = GatePolicy(failures=3, lanes=1, max_s=10.0)
    world = EngineWorld(workflows=[ORDERS], policy=EnginePolicy("tray", gate=gate))
    world.workflows["orders"].script = lambda _request: Answer(503)
    world.assign_all()
    for user in range(5):
        world.put(f"u{user}")
    world.clock.jump(60)
    assert not world.engine.gate_is_open("orders")
    world.reconfigure(PAUSED)
    before = len(keys(world))
    world.clock.jump(3600)
    assert len(keys(world)) == before
    world.workflows["orders"].script = statuses(200)
    world.reconfigure(ORDERS)
    world.run(limit_s=5)
    assert len(world.workflows["orders"].delivered()) == 5


def test_a_restart_keeps_it_paused_and_the_others_are_not_sent_again() -> None:
    """The offset stays before what waits; the commit's map has what the others got."""
    world = EngineWorld(workflows=[PAUSED, AUDIT])
    world.assign_all()
    events = [world.put(f"u{n % 3}") for n in range(20)]
    world.clock.jump(10)
    for _ in range(3):
        world.crash_and_restart()
        world.assign_all()
        world.clock.jump(600)
    assert keys(world) == []
    assert sorted(keys(world, "audit")) == sorted(events)
    world.reconfigure(ORDERS, AUDIT)
    world.run()
    assert sorted(keys(world)) == sorted(events)
    assert sorted(keys(world, "audit")) == sorted(events)


def test_the_others_continue_until_the_open_limit() -> None:
    """In a shared group a pause costs the others nothing before the limit is reached."""
    world = EngineWorld(workflows=[PAUSED, AUDIT], policy=EnginePolicy("tray", limits=Limits(max_open_events=2000)))
    world.assign_all()
    for number in range(3000):
        world.put(f"u{number % 50}")
    world.clock.jump(120)
    assert keys(world) == []
    assert 1900 <= len(keys(world, "audit")) <= 2200
    world.reconfigure(ORDERS, AUDIT)
    world.run()
    assert len(keys(world)) == len(keys(world, "audit")) == 3000


def test_a_rate_is_not_used_up() -> None:
    """A paused workflow waits for no timer; its rate's tokens are those of a workflow that was quiet."""
    pace = Pace(replace(PAUSED, rate_per_s=1.0), GatePolicy(), 0.0)
    assert (pace.turn(0, 0.0), pace.wake_at) == (Turn.WAIT, None)
    pace.reconfigure(PAUSED, replace(ORDERS, rate_per_s=1.0), GatePolicy(), 5.0)
    assert pace.turn(0, 5.0) is Turn.SEND


def test_the_clock_stands_still_for_as_long_as_anything_stops_it() -> None:
    """A gate that closes within a pause, and opens after it, is counted once."""
    clock = RetryClock()
    clock.stop(10.0)
    clock.stop(20.0)
    clock.resume(30.0)
    assert clock.time(35.0) == 10.0
    clock.resume(40.0)
    assert clock.time(45.0) == 15.0


def test_the_log_says_once_a_minute_how_much_waits() -> None:
    """And nothing of the gate, since nothing is probed; a paused workflow without events is not worth a line."""
    world = EngineWorld(workflows=[ORDERS])
    world.workflows["orders"].script = lambda _request: Answer(403)
    world.assign_all()
    for user in range(5):
        world.put(f"u{user}")
    world.clock.jump(5)
    world.reconfigure(PAUSED)
    before = len(world.logger.fields_of("still failing"))
    world.clock.jump(300)
    waiting = world.logger.fields_of("The workflow is paused")
    assert 4 <= len(waiting) <= 6
    assert waiting[-1] == {"workflow": "orders", "waiting": 5}
    assert len(world.logger.fields_of("still failing")) == before
    world.workflows["orders"].script = statuses(200)
    world.reconfigure(ORDERS)
    world.run()
    lines = len(world.logger.fields_of("The workflow is paused"))
    world.reconfigure(PAUSED)
    world.clock.jump(300)
    assert len(world.logger.fields_of("The workflow is paused")) == lines

"""Other settings while the engine runs: nothing in flight is dropped, nothing is sent with a mixture."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from assertions import every, filled
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine_world import EngineWorld
from support.scripted_workflow import ScriptedWorkflow, statuses

from stream.model.attempts import Answer, HttpRequest
from stream.model.events import FilterReason, Reason
from stream.model.policies import DeadLetterPolicy, EnginePolicy, Limits, WorkflowPolicy
from stream.model.records import RecordId
from stream.rules.outcome import RetryPolicy

ORDERS = WorkflowPolicy("orders", concurrency=64)
AUDIT = WorkflowPolicy("audit", concurrency=64)
ONE = WorkflowPolicy("orders", concurrency=1)


def key_of(request: HttpRequest) -> str:
    """The request's idempotency key."""
    return dict(request.headers)["idempotency-key"]


def keys(workflow: ScriptedWorkflow) -> list[str]:
    """What arrived there, in order."""
    return [arrival.key for arrival in workflow.arrivals]


def assert_books_balance(world: EngineWorld) -> None:
    """Every event received has its one end."""
    received, accounted_for = world.stats.identity()
    assert received == accounted_for
    assert world.stats.open_events.total() == 0
    for line in filled(world.engine._workflows):
        assert (line.dispatcher.in_flight, line.dispatcher.waiting) == (0, 0)


def test_what_is_in_flight_is_answered_by_the_old_url_and_the_rest_goes_to_the_new() -> None:
    """A request is wholly of one setting: its header and its receiver belong together; nothing is sent twice."""
    old, new = replace(ONE, headers=(("x-set", "old"),)), replace(ONE, headers=(("x-set", "new"),))
    world = EngineWorld(workflows=[old])
    sent: list[tuple[str, str, str]] = []

    def noting(receiver: str) -> object:
        def script(request: HttpRequest) -> Answer:
            sent.append((receiver, dict(request.headers)["x-set"], key_of(request)))
            return Answer(200)

        return script

    events = [world.put(f"u{n}") for n in range(10)]
    before = world.workflows["orders"]
    before.script = noting("old")  # type: ignore[assignment]  # a script
    world.assign_all()
    world.clock.jump(0.05)
    assert before.in_flight == 1
    world.reconfigure(new, moved=["orders"])
    world.workflows["orders"].script = noting("new")  # type: ignore[assignment]  # a script
    world.run()
    assert [(receiver, header) for receiver, header, _ in sent] == sorted(
        [(receiver, header) for receiver, header, _ in sent], reverse=True
    )
    assert {(receiver, header) for receiver, header, _ in sent} == {("old", "old"), ("new", "new")}
    assert [key for _, _, key in sent] == events
    assert_books_balance(world)


def test_a_retry_is_made_with_the_new_settings() -> None:
    """What failed at the old URL is tried at the new one."""
    world = EngineWorld(workflows=[ORDERS])
    event = world.put("ann")
    before = world.workflows["orders"]
    before.script = statuses(then=503)
    world.assign_all()
    world.clock.jump(0.02)
    world.reconfigure(ORDERS, moved=["orders"])
    world.run()
    assert (keys(before), keys(world.workflows["orders"])) == ([event], [event])


def test_a_closed_gate_is_tried_soon_when_the_workflow_was_mended() -> None:
    """Whoever puts the right URL or secret in need not wait a minute for the next probe."""
    world = EngineWorld(workflows=[ORDERS])
    for n in range(30):
        world.put(f"u{n}")
    world.workflows["orders"].script = statuses(then=404)
    world.assign_all()
    world.clock.jump(300)
    assert not world.engine.gate_is_open("orders")
    began = world.clock.monotonic()
    world.reconfigure(ORDERS, moved=["orders"])
    world.run()
    assert world.workflows["orders"].arrivals[0].at == began
    assert world.clock.monotonic() - began < 3


def test_a_removed_workflow_ends_what_waits_for_it() -> None:
    """As filtered, reason removed, with one line; what is in flight there is answered, and others are not touched."""
    world = EngineWorld(workflows=[ONE, AUDIT])
    events = [world.put(f"u{n}") for n in range(20)]
    world.workflows["orders"].latency_s = 5
    world.assign_all()
    world.clock.jump(1)
    removed = world.workflows["orders"]
    assert (len(removed.arrivals), world.committed()) == (1, None)
    world.reconfigure(AUDIT)
    told = [sentence for sentence in world.logger.sentences if "removed" in sentence]
    assert told == ["A workflow was removed; what waited for it ends as filtered, reason removed."]
    world.run()
    assert world.stats.removed == 19
    assert set(world.workflows["audit"].delivered()) == set(events)
    assert keys(removed) == events[:1]
    steps = [step for step in world.trace.steps if step.get("reason") is FilterReason.REMOVED]
    assert [step["offset"] for step in steps] == list(range(1, 20))
    assert_books_balance(world)
    assert world.clock.jump_until(lambda: "orders" not in world.stats.workflows, 5)


@pytest.mark.parametrize("answer", [503, 400])
def test_a_request_to_a_removed_workflow_that_fails_is_not_tried_again(answer: int) -> None:
    """Nor does it become a dead letter: nobody wants it any more."""
    world = EngineWorld(workflows=[ORDERS, AUDIT])
    world.put("ann")
    removed = world.workflows["orders"]
    removed.latency_s, removed.script = 2, statuses(then=answer)
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(AUDIT)
    world.run()
    assert (len(removed.arrivals), world.stats.removed, world.dead_letters.letters) == (1, 1, [])
    assert_books_balance(world)


def test_backoff_for_a_removed_workflow_ends_at_once() -> None:
    """It does not hold the commit back until it would have been due."""
    world = EngineWorld(workflows=[ORDERS, AUDIT], retry=RetryPolicy(initial_s=60, max_s=60))
    world.put("ann")
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(AUDIT)
    world.run(limit_s=3)
    world.clock.jump(120)
    assert_books_balance(world)


def test_an_added_workflow_takes_part_from_now_on() -> None:
    """It gets what is read from then on, and after a restart nothing of before."""
    world = EngineWorld(workflows=[ONE])
    world.workflows["orders"].script = statuses(then=503)
    world.put("stuck")
    world.assign_all()
    world.clock.jump(5)
    world.reconfigure(ONE, AUDIT)
    later = [world.put(f"u{n}") for n in range(5)]
    world.clock.jump(5)
    assert keys(world.workflows["audit"]) == later
    assert list(world.stats.workflows) == ["orders", "audit"]
    world.crash_and_restart()
    world.workflows["orders"].script = statuses()
    world.assign_all()
    world.run()
    assert keys(world.workflows["audit"]) == later


def test_a_workflow_may_come_back() -> None:
    """Also while requests to it are in flight; it gets what comes after its return."""
    world = EngineWorld(workflows=[ORDERS, AUDIT])
    first = world.put("ann")
    world.workflows["orders"].latency_s = 3
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(AUDIT)
    missed = world.put("bob")
    world.clock.jump(1)
    world.reconfigure(AUDIT, ORDERS)
    last = world.put("eve")
    world.run()
    assert keys(world.workflows["orders"]) == [first, last]
    assert missed in keys(world.workflows["audit"])
    assert world.stats.workflows["orders"].deliveries["delivered"] == 2
    assert_books_balance(world)


def test_indexes_are_used_again() -> None:
    """Workflows that come and go cost nothing for ever."""
    world = EngineWorld("w0", "kept")
    world.assign_all()
    for n in range(1, 21):
        world.put(f"u{n}")
        world.clock.jump(2)
        world.reconfigure(WorkflowPolicy("kept"), WorkflowPolicy(f"w{n}"))
    world.put("last")
    world.run()
    world.clock.jump(2)
    assert len(world.engine._workflows) <= 3
    assert list(world.stats.workflows) == ["kept", "w20"]
    assert len(world.workflows["kept"].delivered()) == 21
    assert [len(world.workflows[f"w{n}"].delivered()) for n in range(1, 21)] == [1] * 20
    assert_books_balance(world)


def test_a_narrower_filter_takes_away_what_waits() -> None:
    """As after a restart; what is in flight was sent by the old rules and counts."""
    world = EngineWorld(workflows=[ONE])
    tracks = [world.put("ann") for _ in range(3)]
    pages = [world.put("ann", type_="page") for _ in range(3)]
    world.workflows["orders"].latency_s = 2
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(replace(ONE, types=frozenset({"page"})))
    world.run()
    assert keys(world.workflows["orders"]) == [tracks[0], *pages]
    assert world.stats.workflows["orders"].filtered[FilterReason.TYPE] == 2
    assert_books_balance(world)


def test_a_wider_filter_holds_for_what_is_read_from_now_on() -> None:
    """What was not wanted was done with."""
    world = EngineWorld(workflows=[replace(ONE, events=("Other",)), AUDIT])
    world.workflows["audit"].script = statuses(then=503)
    world.put("ann")
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(ONE, AUDIT)
    later = world.put("ann")
    world.clock.jump(1)
    assert keys(world.workflows["orders"]) == [later]


def test_another_name_in_the_integrations_object_counts_for_what_waits() -> None:
    """It is a filter like the others."""
    world = EngineWorld(workflows=[ONE])
    world.workflows["orders"].latency_s = 2
    first, _ = world.put("ann"), world.put("ann", integrations={"Other": False})
    world.assign_all()
    world.clock.jump(1)
    world.reconfigure(ONE, integration_name="Other")
    world.run()
    assert keys(world.workflows["orders"]) == [first]
    assert world.stats.workflows["orders"].filtered[FilterReason.INTEGRATIONS] == 1


@pytest.mark.parametrize(("before", "after"), [("none", "user"), ("user", "partition"), ("none", "partition")])
def test_a_stricter_order_holds_for_what_waits(before: str, after: str) -> None:
    """Behind whatever was in flight of the lane, in offset order; nothing overtakes."""
    world = EngineWorld(workflows=[replace(ORDERS, ordering=before, concurrency=3, max_in_flight=3)])
    world.workflows["orders"].latency_s = 2
    events = [world.put("ann" if n % 2 else "bob") for n in range(12)]
    world.assign_all()
    world.clock.jump(1)
    started = keys(world.workflows["orders"])
    world.reconfigure(replace(ORDERS, ordering=after, concurrency=3, max_in_flight=3))
    world.clock.jump(0.5)
    assert keys(world.workflows["orders"]) == started
    world.run()
    arrivals = world.workflows["orders"].arrivals
    rest = [key for key in events if key not in started]
    if after == "partition":
        assert keys(world.workflows["orders"]) == [*started, *rest]
        assert every(
            b.at - a.at > 1.9 for a, b in zip(arrivals[len(started) :], arrivals[len(started) + 1 :], strict=False)
        )
    else:
        for user in (0, 1):
            mine = [arrival for arrival in arrivals if int(arrival.key.partition("-")[2]) % 2 == user]
            later = [arrival for arrival in mine if arrival.key in rest]
            assert [arrival.key for arrival in later] == [key for key in rest if int(key.partition("-")[2]) % 2 == user]
            assert every(b.at - a.at > 1.9 for a, b in pairwise(later))
    assert_books_balance(world)


def test_a_looser_order_frees_what_waits() -> None:
    """Events behind one that is stuck need not wait for it any more."""
    world = EngineWorld(workflows=[ORDERS])
    stuck, *behind = [world.put("ann") for _ in range(5)]
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(1)
    assert world.workflows["orders"].delivered() == []
    world.reconfigure(replace(ORDERS, ordering="none"))
    world.clock.jump(1)
    assert world.workflows["orders"].delivered() == behind


def test_what_is_to_be_given_up_need_not_be_held() -> None:
    """An event that waits, or is tried again and again, ends as well; its user goes on."""
    world = EngineWorld(workflows=[ORDERS])
    stuck, behind, last = world.put("ann"), world.put("ann"), world.put("ann")
    world.workflows["orders"].script = lambda r: Answer(503 if key_of(r) == stuck else 200)
    world.assign_all()
    world.clock.jump(20)
    world.reconfigure(replace(ORDERS, give_up=frozenset({RecordId("events", 0, 0), RecordId("events", 0, 1)})))
    world.run()
    assert world.workflows["orders"].delivered() == [last]
    assert [letter.record.offset for letter in world.dead_letters.letters] == [0, 1]
    assert {letter.reason for letter in world.dead_letters.letters} == {Reason.GIVEN_UP}
    assert behind not in keys(world.workflows["orders"])
    assert_books_balance(world)


def test_a_flood_hold_ends_by_giving_up_what_is_held() -> None:
    """Also when the event that was named is the one that is to be probed next."""
    policy = EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=1))
    world = EngineWorld(policy=policy, workflows=[ORDERS])
    for n in range(4):
        world.put(f"u{n}")
    world.workflows["orders"].script = statuses(then=400)
    world.assign_all()
    world.clock.jump(30)
    assert world.stats.workflows["orders"].held == 3
    world.reconfigure(replace(ORDERS, give_up=frozenset(RecordId("events", 0, n) for n in range(4))))
    world.run()
    assert len(world.dead_letters.letters) == 4
    world.workflows["orders"].script = statuses()
    good = world.put("ann")
    world.run()
    assert world.workflows["orders"].delivered() == [good]
    assert_books_balance(world)


def test_a_hold_ends_when_events_may_be_given_up() -> None:
    """on_failure = "dead-letter" after "hold": what is rejected again becomes a dead letter."""
    world = EngineWorld(workflows=[replace(ORDERS, on_failure="hold")], retry=RetryPolicy(max_s=10))
    world.put("ann")
    world.workflows["orders"].script = statuses(then=400)
    world.assign_all()
    world.clock.jump(5)
    world.reconfigure(ORDERS)
    world.run()
    assert [letter.reason for letter in world.dead_letters.letters] == [Reason.REJECTED]
    assert world.stats.workflows["orders"].held == 0


def test_a_held_partition_is_judged_anew_by_other_rules() -> None:
    """With validation off what passed for invalid is an event; nothing of the partition is skipped."""
    policy = EnginePolicy("tray", dead_letters=DeadLetterPolicy(max_consecutive=1))
    world = EngineWorld(policy=policy)
    for n in range(3):
        world.broker.append(world.partitions[0], b'{"userId": "ann", "messageId": "0-%d"}' % n)
    last = world.put("ann")
    world.assign_all()
    world.clock.jump(5)
    assert world.committed() == 1
    world.reconfigure(*world.policy.workflows)
    world.clock.jump(5)
    assert world.committed() == 1
    world.reconfigure(*world.policy.workflows, validation="off")
    world.run()
    assert keys(world.workflows["orders"]) == ["0-1", "0-2", last]
    assert_books_balance(world)


def test_limits_hold_from_now_on() -> None:
    """Smaller ones stop the intake, larger ones open it again."""
    world = EngineWorld(workflows=[ONE], policy=EnginePolicy("tray", limits=Limits(max_open_events=1_000)))
    world.workflows["orders"].latency_s = 1
    for n in range(50):
        world.put(f"u{n}")
    world.assign_all()
    world.clock.jump(1)
    seen = [world.member.intake_open]
    for most in (10, 1_000):
        world.reconfigure(ONE, limits=Limits(max_open_events=most))
        seen.append(world.member.intake_open)
    assert seen == [True, False, True]
    world.run()
    assert_books_balance(world)


def test_other_retry_rules_hold_for_what_is_tried_already() -> None:
    """A status that is rejected from now on ends an event that has been tried for long."""
    world = EngineWorld(workflows=[ORDERS])
    world.put("ann")
    world.workflows["orders"].script = statuses(then=503)
    world.assign_all()
    world.clock.jump(10)
    world.rules = replace(world.rules, outcomes=type(world.rules.outcomes)(reject_on=[503]))
    world.reconfigure(ORDERS)
    world.run()
    assert [letter.reason for letter in world.dead_letters.letters] == [Reason.REJECTED]


def test_a_partition_that_drains_is_left_alone() -> None:
    """What is in flight there ends; what waited is the next owner's, who knows the new settings."""
    world = EngineWorld(workflows=[ONE, AUDIT])
    events = [world.put("ann") for _ in range(3)]
    world.workflows["orders"].latency_s = 2
    world.assign_all()
    world.clock.jump(1)
    world.member.revoke(*world.partitions)
    world.reconfigure(AUDIT)
    world.clock.jump(5)
    world.assign_all()
    world.run()
    assert keys(world.workflows["audit"])[:3] == events
    assert world.stats.identity()[0] == world.stats.identity()[1]


POLICIES = st.lists(
    st.builds(
        WorkflowPolicy,
        st.sampled_from(["a", "b", "c"]),
        types=st.sampled_from([None, frozenset({"track"}), frozenset({"page"})]),
        ordering=st.sampled_from(["user", "partition", "none", "key"]),
        concurrency=st.sampled_from([1, 3, 64]),
        rate_per_s=st.sampled_from([None, 20.0]),
        give_up=st.sampled_from([frozenset(), frozenset({RecordId("events", 0, 1), RecordId("events", 1, 2)})]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda policy: policy.name,
)


@settings(max_examples=150)
@given(st.lists(POLICIES, min_size=2, max_size=8), st.integers(0, 2**16))
def test_no_change_of_settings_loses_or_leaks_anything(steps: list[list[WorkflowPolicy]], seed: int) -> None:
    """Whatever is changed into whatever, amid failures: every event has its one end, and all is committed."""
    world = EngineWorld(workflows=steps[0], partitions=2, seed=seed, retry=RetryPolicy(max_s=2, for_s=20))
    world.assign_all()
    for n, policies in enumerate(steps):
        if n:
            world.reconfigure(*policies, moved=[policies[0].name])
        for m in range(4):
            world.put(f"u{m % 3}", partition=m % 2, type_="page" if m % 3 else "track")
        for workflow in world.workflows.values():
            workflow.script = statuses(503, 200, 400, 200, 429, then=200)
            workflow.latency_s = 0.3
        world.clock.jump(0.1 + (seed % 7) / 10)
    world.run(limit_s=3600)
    assert_books_balance(world)
    for partition in filled(world.engine._ledger.partitions.values()):
        assert every(not own.pending and not own.lanes and not own.shared_lanes for own in partition.workflows)

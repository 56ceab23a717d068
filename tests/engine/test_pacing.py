"""What one workflow may be sent now: concurrency, rate, gate and pause together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.engine.pacing import Pace, RateLimit, Turn
from stream.model.policies import GatePolicy, WorkflowPolicy

FIXED = WorkflowPolicy("orders", concurrency=8)
RATED = replace(FIXED, rate_per_s=1.0)


def test_a_slow_rate_lets_one_request_go_at_once() -> None:
    """The next one may go when its token is there, not at the time of the last question."""
    rate = RateLimit(0.5, 100.0)
    assert rate.next_at() == 100.0
    assert [rate.take(100.0), rate.take(100.0), rate.take(101.0)] == [True, False, False]
    assert rate.next_at() == 102.0
    assert [rate.take(102.0), rate.take(102.0)] == [True, False]


def test_as_many_go_as_the_limit_has_room_for() -> None:
    """At the limit it waits for an answer, not for a time."""
    pace = Pace(FIXED, GatePolicy(), 0.0)
    assert (pace.turn(7, 0.0), pace.burst(7)) == (Turn.SEND, 1)
    assert (pace.turn(0, 0.0), pace.burst(0)) == (Turn.SEND, 8)
    assert (pace.turn(8, 0.0), pace.wake_at) == (Turn.WAIT, None)


def test_with_a_rate_one_goes_after_the_other() -> None:
    """Each has a token of its own, and the next wakes the workflow."""
    pace = Pace(RATED, GatePolicy(), 100.0)
    assert (pace.turn(0, 100.0), pace.burst(0)) == (Turn.SEND, 1)
    assert (pace.turn(1, 100.0), pace.wake_at) == (Turn.WAIT, 101.0)


def test_a_probe_uses_up_a_token() -> None:
    """The rate holds while the gate is closed, too."""
    pace = Pace(RATED, GatePolicy(), 0.0)
    pace.gate.pause(10.0, 0.0)
    assert [pace.turn(0, 10.0), pace.turn(0, 10.0), pace.wake_at] == [Turn.PROBE, Turn.WAIT, 11.0]


def test_a_reload_keeps_what_was_learnt_where_its_setting_stays() -> None:
    """The adaptive limit, and the tokens that were used up."""
    policy = WorkflowPolicy("orders", rate_per_s=1.0)
    pace = Pace(policy, GatePolicy(), 0.0)
    learnt = pace.concurrency
    assert pace.turn(0, 0.0) is Turn.SEND
    pace.reconfigure(policy, replace(policy, body="compact"), GatePolicy(), 0.0)
    assert (pace.concurrency is learnt, pace.turn(1, 0.0)) == (True, Turn.WAIT)


def test_a_reload_applies_another_limit_and_another_rate() -> None:
    """From the next request on; without a rate as many go as there is room for."""
    pace = Pace(FIXED, GatePolicy(), 0.0)
    fewer = replace(FIXED, concurrency=4)
    pace.reconfigure(FIXED, fewer, GatePolicy(), 0.0)
    assert [pace.turn(4, 0.0), pace.burst(0)] == [Turn.WAIT, 4]
    rated = replace(fewer, rate_per_s=2.0)
    pace.reconfigure(fewer, rated, GatePolicy(), 5.0)
    assert [pace.turn(0, 5.0), pace.turn(1, 5.0), pace.wake_at] == [Turn.SEND, Turn.WAIT, 5.5]
    pace.reconfigure(rated, fewer, GatePolicy(), 5.0)
    assert [pace.turn(1, 5.0), pace.burst(1)] == [Turn.SEND, 3]


def test_one_probe_at_a_time() -> None:
    """A closed gate lets one through after its time, and the next only once that one is answered or gone."""
    pace = Pace(WorkflowPolicy("orders", concurrency=8), GatePolicy(), 0.0)
    pace.gate.pause(10.0, 0.0)
    assert (pace.turn(0, 5.0), pace.wake_at) == (Turn.WAIT, 10.0)
    assert pace.turn(0, 10.0) is Turn.PROBE
    pace.gate.probe_sent()
    assert (pace.turn(1, 11.0), pace.wake_at) == (Turn.WAIT, None)
    pace.gate.probe_over()
    assert pace.turn(0, 11.0) is Turn.PROBE


def test_one_lane_is_enough_with_strict_order() -> None:
    """With `ordering = "partition"` only one event is ever under way, so ten of its failures count."""
    pace = Pace(WorkflowPolicy("orders", ordering="partition"), GatePolicy(), 0.0)
    for _ in range(10):
        pace.gate.on_failure(pace.gate.generation, "a", False, 0.0, 0.0, 0.0)
    assert not pace.gate.is_open


@pytest.mark.parametrize("per_s", [0.5, 5.0, 100.0, 5000.0])
def test_rate_over_a_long_time(per_s: float) -> None:
    """Over a minute no more than the rate and one small burst go, and waiting until `next_at` always helps."""
    rate, now, sent = RateLimit(per_s, 0.0), 0.0, 0
    while now < 60.0:
        if rate.take(now):
            sent += 1
        else:
            assert rate.next_at() > now
            now = rate.next_at()
    assert per_s * 60 * 0.99 - 1 <= sent <= per_s * 60 + max(1.0, per_s / 10) + 1

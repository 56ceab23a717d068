"""The gate of one workflow."""

from __future__ import annotations

from itertools import pairwise

import pytest

from stream.engine.gate import Gate
from stream.model.policies import GatePolicy


def fail(gate: Gate, lanes: str, at: float = 0.0, at_fault: bool = False, retry_after_s: float = 0.0) -> None:
    """One failure in each of these lanes."""
    for lane in lanes:
        gate.on_failure(gate.generation, lane, at_fault, retry_after_s, at, 0.0)


def test_it_closes_after_enough_failures_over_enough_lanes() -> None:
    """Ten in a row close it, but not when one poison lane makes them all."""
    gate = Gate(GatePolicy())
    fail(gate, "a" * 50)
    assert gate.is_open
    fail(gate, "b")
    assert gate.is_open
    fail(gate, "c")
    assert not gate.is_open


def test_a_new_gate_has_seen_no_failure() -> None:
    """It is calm, and the ninth failure does not close it."""
    gate = Gate(GatePolicy())
    assert gate.is_calm
    fail(gate, "abcabcabc")
    assert (gate.is_calm, gate.is_open) == (False, True)


def test_a_rejection_opens_a_gate_that_is_not_held() -> None:
    """The workflow works, whatever it thinks of the event."""
    gate = Gate(GatePolicy())
    fail(gate, "abcabcabca")
    gate.on_good(gate.generation, 5.0, delivered=False)
    assert gate.is_open


def test_a_probe_may_go_at_once_after_a_change_of_the_workflow() -> None:
    """A gate that it may probe already is left as it is."""
    gate = Gate(GatePolicy())
    fail(gate, "a", retry_after_s=30)
    gate.probe_soon(10.0)
    gate.probe_soon(20.0)
    assert (gate.is_open, gate.closed_until) == (False, 10.0)


def test_a_good_answer_starts_the_count_anew() -> None:
    """Failures count in a row only."""
    gate = Gate(GatePolicy())
    fail(gate, "abcabcabc")
    gate.on_good(gate.generation, 0.0, delivered=False)
    fail(gate, "abcabcabc")
    assert gate.is_open


def test_three_answers_against_the_workflow_close_it() -> None:
    """A wrong credential or a moved URL is known after three, whatever the lanes."""
    gate = Gate(GatePolicy())
    fail(gate, "aa", at_fault=True)
    assert gate.is_open
    fail(gate, "a", at_fault=True)
    assert not gate.is_open


def test_closings_double_up_to_the_longest() -> None:
    """1 s, 2 s, 4 s … 60 s while probes fail, and 1 s again after the gate was open."""
    gate = Gate(GatePolicy())
    fail(gate, "abcabcabca")
    lengths = []
    for _ in range(8):
        lengths.append(gate.closed_until)
        now = gate.closed_until
        gate.probe_sent()
        gate.on_probe_failed(gate.generation, 0.0, now, 0.0)
    waits = [lengths[0], *(b - a for a, b in pairwise(lengths))]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    gate.on_good(gate.generation, 1000.0, delivered=True)
    fail(gate, "abcabcabca", at=2000.0)
    assert gate.closed_until == 2001.0


def test_jitter_only_shortens() -> None:
    """Gates of many processes do not open in step, and never later than the policy says."""
    gate = Gate(GatePolicy(initial_s=8))
    for lane in "abcabcabca":
        gate.on_failure(gate.generation, lane, False, 0.0, 0.0, 0.999)
    assert 6 <= gate.closed_until < 8


def test_retry_after_closes_at_once_and_until_then() -> None:
    """One answer is enough; a later and longer request extends it, a shorter one does not."""
    gate = Gate(GatePolicy())
    fail(gate, "a", retry_after_s=30)
    fail(gate, "b", at=1.0, retry_after_s=60)
    fail(gate, "c", at=2.0, retry_after_s=5)
    assert (gate.closed_since, gate.closed_until) == (0.0, 61.0)


def test_open_time_stands_still_while_closed() -> None:
    """Retry clocks run in open time."""
    gate = Gate(GatePolicy())
    fail(gate, "a", at=10.0, retry_after_s=50)
    assert (gate.open_time(10.0), gate.open_time(40.0)) == (10.0, 10.0)
    gate.on_good(gate.generation, 70.0, delivered=True)
    assert gate.open_time(75.0) == 15.0


def test_a_held_gate_opens_on_a_delivery_only() -> None:
    """After the flood guard tripped, another rejection does not open the gate."""
    gate = Gate(GatePolicy())
    gate.hold(0.0, 0.0)
    gate.on_good(gate.generation, 5.0, delivered=False)
    after_rejection = gate.is_open
    gate.on_good(gate.generation, 6.0, delivered=True)
    assert (after_rejection, gate.is_open, gate.is_held) == (False, True, False)


def test_what_was_sent_before_the_gate_closed_does_not_open_it() -> None:
    """Successes and rejections that were on their way say nothing about the workflow since then; a probe's does."""
    gate = Gate(GatePolicy())
    sent_in = gate.generation
    fail(gate, "a", retry_after_s=30)
    gate.on_good(sent_in, 1.0, delivered=True)
    gate.on_good(sent_in, 1.0, delivered=False)
    assert not gate.is_open
    gate.on_good(gate.generation, 30.0, delivered=True)
    assert gate.is_open


def test_a_hold_is_not_ended_by_what_was_sent_before_it() -> None:
    """The flood guard's closing ends with a delivery that was tried since."""
    gate = Gate(GatePolicy())
    sent_in = gate.generation
    gate.hold(0.0, 0.0)
    gate.on_good(sent_in, 1.0, delivered=True)
    assert (gate.is_open, gate.is_held) == (False, True)


def test_a_request_to_wait_outlasts_the_probe_that_was_under_way() -> None:
    """Of two answers the later one counts: the probe was sent before the workflow asked for a pause."""
    gate = Gate(GatePolicy())
    sent_in = gate.generation
    fail(gate, "a", retry_after_s=10)
    probe_in = gate.generation
    gate.probe_sent()
    gate.on_failure(sent_in, "b", False, 30.0, 11.0, 0.0)
    gate.on_good(probe_in, 12.0, delivered=True)
    assert (gate.is_open, gate.closed_until) == (False, 41.0)
    gate.on_probe_failed(probe_in, 0.0, 12.0, 0.0)
    assert (gate.is_probing, gate.closed_until) == (False, 41.0)


def test_late_failures_do_not_close_a_gate_that_has_opened_since() -> None:
    """Neither requests from before the closing nor a probe of it count once the workflow works again."""
    gate = Gate(GatePolicy())
    sent_in = gate.generation
    fail(gate, "abcabcabca")
    probe_in = gate.generation
    gate.on_good(probe_in, 1.0, delivered=True)
    for lane in "abcabcabcabc":
        gate.on_failure(sent_in, lane, True, 0.0, 2.0, 0.0)
    gate.on_probe_failed(probe_in, 0.0, 2.0, 0.0)
    assert gate.is_open
    assert gate.is_calm


def test_a_late_request_to_wait_is_kept_all_the_same() -> None:
    """What the workflow asks for holds from the moment of its answer, whenever the request was sent."""
    gate = Gate(GatePolicy())
    sent_in = gate.generation
    fail(gate, "abcabcabca")
    gate.on_good(gate.generation, 1.0, delivered=True)
    gate.on_failure(sent_in, "a", False, 20.0, 2.0, 0.0)
    assert (gate.is_open, gate.closed_until) == (False, 22.0)


def test_failures_before_a_closing_do_not_count_after_it() -> None:
    """Once it is open again it takes a full count to close it."""
    gate = Gate(GatePolicy())
    fail(gate, "abcabcabca")
    gate.on_good(gate.generation, 1.0, delivered=True)
    fail(gate, "abcabcabc", at=2.0)
    assert gate.is_open


def test_answers_against_the_workflow_count_in_a_row() -> None:
    """Another failure between them starts their count anew."""
    gate = Gate(GatePolicy())
    for at_fault in (True, False, True, True):
        fail(gate, "a", at_fault=at_fault)
    assert gate.is_open
    fail(gate, "a", at_fault=True)
    assert not gate.is_open


def test_open_time_leaves_out_every_closing() -> None:
    """Not the last one alone."""
    gate = Gate(GatePolicy())
    for at in (10.0, 100.0):
        fail(gate, "a", at=at, retry_after_s=20)
        gate.on_good(gate.generation, at + 20, delivered=True)
    assert gate.open_time(200.0) == 160.0


def test_every_change_of_the_gate_is_another_generation() -> None:
    """However often it closes, is extended and opens: an answer is never taken for one of an earlier time."""
    gate, seen = Gate(GatePolicy()), []
    for at in (0.0, 100.0, 200.0):
        seen.append(gate.generation)
        fail(gate, "a", at=at, retry_after_s=10)
        seen.append(gate.generation)
        gate.pause(30.0, at + 1)
        seen.append(gate.generation)
        gate.on_good(gate.generation, at + 40, delivered=True)
    assert len(set(seen)) == len(seen) == 9


@pytest.mark.parametrize("seconds", [0.5, 1.0, 30.0])
def test_the_shortest_request_to_wait_counts(seconds: float) -> None:
    """Of an attempt and of a probe."""
    gate = Gate(GatePolicy())
    fail(gate, "a", retry_after_s=seconds)
    assert gate.closed_until == seconds
    gate.probe_sent()
    gate.on_probe_failed(gate.generation, seconds, 50.0, 0.0)
    assert (gate.closed_until, gate.is_probing) == (50.0 + seconds, False)


def test_a_probe_from_before_a_request_to_wait_does_not_lengthen_it() -> None:
    """It failed, but the workflow has said since when it is to be asked again."""
    gate = Gate(GatePolicy())
    fail(gate, "abcabcabca")
    for _ in range(5):
        gate.on_probe_failed(gate.generation, 0.0, gate.closed_until, 0.0)
    probe_in, now = gate.generation, gate.closed_until
    gate.pause(2.0, now)
    gate.on_probe_failed(probe_in, 0.0, now + 1, 0.0)
    assert gate.closed_until == now + 2

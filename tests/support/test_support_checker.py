"""The checker finds each kind of broken promise, and nothing in runs that kept them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.demo.receiver import Arrival
from support import checker
from support.trace import Trace, count, merge_traces, parse_trace, read_trace

EXISTING = {("events", 0): range(4), ("events", 1): [0, 5, 6]}
BOTH = ("orders", "privacy")


def step(event: str, partition: int = 0, offset: int | None = None, **fields: Any) -> dict[str, Any]:
    known = {"event": event, "t": 0.0, "group": "tray", "topic": "events", "partition": partition}
    return known | ({} if offset is None else {"offset": offset}) | fields


def delivered(offset: int, workflow: str = "orders", partition: int = 0) -> dict[str, Any]:
    return step("delivered", partition, offset, workflow=workflow, attempts=1, status=200)


def committed(offset: int, partition: int = 0, **fields: Any) -> dict[str, Any]:
    return step("committed", partition, offset, **{"ok": True, **fields})


def trace(*steps: dict[str, Any], source: str = "run-1") -> Trace:
    lines = [{"event": "started", "t": 0.0, "group": "tray"}, *steps]
    return parse_trace("".join(json.dumps(line) + "\n" for line in lines).encode(), source)


def check(*traces: Trace, workflows: tuple[str, ...] = ("orders",), group: str | None = None) -> list[str]:
    return checker.check_commits(traces, EXISTING, workflows, group)


ASSIGNED = step("assigned", 0, 0)


def test_a_run_that_keeps_its_promises_has_no_findings() -> None:
    """Delivered, filtered and dead-lettered offsets may be committed, the end included."""
    steps = [ASSIGNED, delivered(0), step("filtered", 0, 1, reason="tombstone"), committed(2)]
    ends = [step("dead_lettered", 0, 2, workflow="orders", reason="rejected"), delivered(3), committed(4)]
    assert check(trace(*steps, *ends, step("revoked"))) == []


def test_a_commit_one_ahead_is_found() -> None:
    """The classic loss: the offset in flight is committed with those before it."""
    [finding] = check(trace(ASSIGNED, delivered(0), delivered(1), committed(3)))
    assert finding == ("run-1: commit 3 of events:0 by 'tray' passes offset 2, which is not settled for orders.")


def test_a_commit_before_the_delivery_is_found_although_the_delivery_follows() -> None:
    """What counts is what was settled when the commit was made."""
    assert len(check(trace(ASSIGNED, committed(1), delivered(0)))) == 1


def test_each_workflow_must_be_done() -> None:
    """An offset that one of two workflows has is not settled."""
    steps = [ASSIGNED, delivered(0, "orders"), delivered(0, "privacy"), delivered(1, "orders"), committed(2)]
    [finding] = check(trace(*steps), workflows=BOTH)
    assert "passes offset 1, which is not settled for privacy" in finding


@pytest.mark.parametrize("workflow", [{}, {"workflow": None}, {"workflow": ""}], ids=["absent", "null", "empty"])
@pytest.mark.parametrize("event", ["filtered", "dead_lettered"])
def test_an_end_without_a_workflow_holds_for_all(event: str, workflow: dict[str, Any]) -> None:
    """Tombstones and invalid events concern every workflow."""
    end = step(event, 0, 0, reason="tombstone", **workflow)
    assert check(trace(ASSIGNED, end, committed(1)), workflows=BOTH) == []


def test_offsets_that_do_not_exist_need_no_settlement() -> None:
    """Compaction and transaction markers leave gaps, also at the end."""
    steps = [step("assigned", 1, 0), delivered(0, partition=1), committed(5, 1), delivered(5, partition=1)]
    assert check(trace(*steps, committed(6, 1))) == []
    [finding] = check(trace(*steps, committed(9, 1)))
    assert "passes offset 6" in finding


def test_a_refused_commit_is_no_commit() -> None:
    """Only what the broker stored can lose anything."""
    assert check(trace(ASSIGNED, committed(4, ok=False))) == []


def test_what_an_earlier_run_settled_counts() -> None:
    """The run after a crash may commit what the one before it delivered, and only that."""
    crashed = trace(ASSIGNED, delivered(0), delivered(2), source="run-1")
    resumed = trace(ASSIGNED, delivered(1), committed(3), source="run-2")
    assert check(crashed, resumed) == []
    assert len(check(resumed)) == 2


def test_a_passed_offset_is_reported_once_over_all_runs() -> None:
    """The loss lies at the commit that passed it, not at later ones."""
    first = trace(ASSIGNED, committed(1), source="run-1")
    second = trace(step("assigned", 0, 1), delivered(1), committed(2), source="run-2")
    assert [finding[:5] for finding in check(first, second)] == ["run-1"]


def test_a_commit_that_goes_back_is_found() -> None:
    """Within a tenure commits grow or stay; they never fall below its start."""
    steps = [ASSIGNED, delivered(0), delivered(1), committed(2), committed(2)]
    assert check(trace(*steps)) == []
    [finding] = check(trace(*steps, committed(1)))
    assert "goes back, from 2" in finding
    assert len(check(trace(delivered(0), step("assigned", 0, 3), committed(1)))) == 1


@pytest.mark.parametrize("end", ["revoked", "lost"])
def test_a_commit_after_the_tenure_is_found(end: str) -> None:
    """A member that lost a partition may not commit it until it has it again."""
    steps = [ASSIGNED, delivered(0), step(end)]
    [finding] = check(trace(*steps, committed(1)))
    assert "does not own the partition" in finding
    assert check(trace(*steps, ASSIGNED, committed(1))) == []


def test_a_commit_without_any_assignment_is_found() -> None:
    """Nothing may be committed before it was assigned."""
    assert len(check(trace(delivered(0), committed(1)))) == 1


def test_tenures_of_members_that_run_together_are_kept_apart() -> None:
    """Merged by time, a hand-over is fine, and a late commit of the old owner is not."""
    old = [ASSIGNED | {"t": 1}, delivered(0) | {"t": 2}, committed(1, t=3), step("revoked", t=4)]
    new = trace(step("assigned", 0, 1, t=5), delivered(1) | {"t": 6}, committed(2, t=7), source="member-2")
    assert check(merge_traces([new, trace(*old, source="member-1")])) == []
    late = trace(*old, committed(1, t=8), source="member-1")
    assert [finding[:8] for finding in check(merge_traces([new, late]))] == ["member-1"]


def test_groups_do_not_settle_for_one_another() -> None:
    """With one group per workflow each answers for its own, and can be checked alone."""
    steps = [ASSIGNED, delivered(0), committed(1)]
    other = [line | {"group": "tray.privacy"} for line in (ASSIGNED, committed(1))]
    findings = check(trace(*steps, *other))
    assert [("tray.privacy" in finding) for finding in findings] == [True]
    assert check(trace(*steps, *other), group="tray") == []
    assert len(check(trace(*steps, *other), workflows=("privacy",), group="tray.privacy")) == 1


@given(st.sets(st.integers(0, 30)), st.integers(0, 31))
def test_it_agrees_with_a_plain_statement_of_the_rule(done: set[int], commit: int) -> None:
    """For any set of delivered offsets: one finding for each lower offset that is not in it."""
    run = trace(ASSIGNED, *(delivered(offset) for offset in done), committed(commit))
    findings = checker.check_commits([run], {("events", 0): range(31)}, ["orders"])
    assert len(findings) == len(set(range(commit)) - done)


def test_a_trace_file_may_be_cut_short_by_a_kill(tmp_path: Path) -> None:
    """Its last line counts only when it is whole; any other damage is an error."""
    path = tmp_path / "trace"
    path.write_text(json.dumps(ASSIGNED) + "\n" + json.dumps(delivered(0))[:20])
    assert [line.event for line in read_trace(path)] == ["assigned"]
    assert count([read_trace(path)], "assigned") == 1
    for damaged in ("{}\n", "[1]\n", "no json\n", json.dumps(delivered(0))[:20] + "\n{}\n"):
        with pytest.raises(ValueError, match=r".+"):
            parse_trace(damaged.encode(), "damaged")


def arrival(user: str, position: int, status: int = 200, at: float = 0.0, until: float = 0.0) -> Arrival:
    body = json.dumps({"messageId": f"m-{position}", "userId": user, "position": position}).encode()
    key = {"idempotency-key": f"m-{position}"}
    return Arrival(at, "/orders", key, body, status, until)


def in_order(*arrivals: Arrival) -> list[str]:
    return checker.first_deliveries_in_order(arrivals, reads("userId"), reads("position"))


def reads(field: str) -> Callable[[Arrival], Any]:
    return lambda arrival: json.loads(arrival.body)[field]


def test_order_holds_per_key_with_retries_and_repeats() -> None:
    """Users pass one another, a retry keeps its place, and what was delivered may come again."""
    assert in_order(arrival("a", 2), arrival("b", 1), arrival("a", 3, 503), arrival("a", 3)) == []
    assert in_order(arrival("a", 1), arrival("a", 2), arrival("a", 1), arrival("a", 2)) == []


def test_a_later_event_that_arrives_first_is_found() -> None:
    """An event may not overtake, be it at the first attempt or while the earlier one is being retried."""
    assert len(in_order(arrival("a", 2), arrival("a", 1))) == 1
    assert len(in_order(arrival("a", 1, 503), arrival("a", 2), arrival("a", 1))) == 1


def test_an_event_sent_before_its_predecessor_was_answered_is_found() -> None:
    """Order on arrival is not enough: the answer must have been given."""
    held = arrival("a", 1, at=0.0, until=5.0)
    assert len(in_order(held, arrival("a", 2, at=1.0, until=1.1))) == 1
    assert in_order(held, arrival("a", 2, at=5.5, until=5.6), arrival("b", 3, at=1.0, until=1.1)) == []


def test_an_event_that_was_given_up_does_not_break_the_order() -> None:
    """After a dead letter the lane goes on."""
    assert in_order(arrival("a", 1, 400), arrival("a", 2), arrival("a", 3)) == []


def test_arrivals_without_a_key_have_no_order() -> None:
    """None for a key means that anything goes."""
    arrivals = [arrival("a", 2), arrival("a", 1)]
    assert checker.first_deliveries_in_order(arrivals, lambda _: None, lambda _: 0) == []


def test_missing_duplicate_and_unexpected_events_are_found() -> None:
    """Only a 2xx is a delivery."""
    arrivals = [arrival("a", 1), arrival("a", 2, 503), arrival("a", 3), arrival("a", 3), arrival("a", 4, 0)]
    assert checker.missing(["m-1", "m-2", "m-3", "m-4"], arrivals) == [
        "m-2 was never delivered.",
        "m-4 was never delivered.",
    ]
    assert checker.duplicates(arrivals) == ["m-3 was delivered 2 times."]
    assert checker.unexpected(["m-1", "m-2", "m-4"], arrivals) == ["m-3 arrived and was not expected."]


def test_a_complete_log_without_repeats_has_no_findings() -> None:
    """Retried requests are no duplicates."""
    arrivals = [arrival("a", 1, 503), arrival("a", 1), arrival("a", 2)]
    assert checker.missing(["m-1", "m-2"], arrivals) == []
    assert checker.duplicates(arrivals) == []
    assert checker.unexpected(["m-1", "m-2"], arrivals) == []
    assert checker.unstable_keys(arrivals) == []


def test_a_key_that_changes_between_attempts_is_found() -> None:
    """A receiver tells a repeat by its idempotency key."""
    again = arrival("a", 1)
    again.headers["idempotency-key"] = "another"
    assert checker.unstable_keys([arrival("a", 1), again]) == ["m-1 came under 2 keys."]


def test_events_without_an_id_are_known_by_their_idempotency_key() -> None:
    """So that deletes in reduced form and bodies that are no JSON can be followed, too."""
    for body in (b'{"type":"delete"}', b"[1]", b"\xff", b'{"messageId": 7}'):
        assert checker.id_of(Arrival(0.0, "/w", {"idempotency-key": "t-0-7"}, body)) == "t-0-7"

"""The status of a process: rates, states in words, changes, workers as one, in bounded memory."""

from __future__ import annotations

import json
import pickle

import pytest
from assertions import every
from support.watched import WALL, Watched, stats_of, text_of

from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.status.merging import latest_changes, merged
from stream.telemetry.status.page import CONTENT_SECURITY_POLICY, render
from stream.telemetry.status.report import (
    MOST_CHANGES,
    MOST_PARTITIONS,
    TREND_POINTS,
    Change,
    ProcessStatus,
    State,
    WorkflowStatus,
)
from stream.telemetry.status.summary import Severity, summarize

HOSTILE = "<img src=x onerror=\"alert('1')\">&amp;{script}{main}"


def orders_of(status: ProcessStatus) -> WorkflowStatus:
    """The workflow that these tests look at."""
    return next(one for one in status.workflows if one.workflow == "orders")


def said(status: ProcessStatus) -> list[str]:
    """The changes in words, the latest first."""
    return [change.sentence for change in status.changes]


def test_the_first_look_has_counts_and_no_rates() -> None:
    """There is nothing to compare with."""
    stats = stats_of()
    stats.workflows["orders"].deliveries["delivered"] = 7
    status = Watched(stats).at(0)
    assert (status.version, status.workers, status.at, status.started_at) == ("1.2.3", 0, WALL, WALL)
    orders = orders_of(status)
    assert (orders.delivered, orders.delivered_per_s, orders.p50_s, orders.trend) == (7, None, None, [0.0])


def test_rates_are_of_the_last_seconds() -> None:
    """Ten of them, where there are so many."""
    stats = stats_of()
    watched, counts = Watched(stats), stats.workflows["orders"].deliveries
    for at, delivered in ((0, 0), (2, 100), (12, 150), (14, 160)):
        counts["delivered"] = delivered
        status = watched.at(at)
    assert orders_of(status).delivered_per_s == pytest.approx((160 - 100) / 12)


def test_the_trend_is_of_a_quarter_of_an_hour() -> None:
    """In steps of ten seconds; the last one is now, and nothing older is kept."""
    stats = stats_of()
    watched, counts = Watched(stats), stats.workflows["orders"].deliveries
    for at in range(0, 3600, 5):
        counts["delivered"] += 100 if at < 3000 else 10
        status = watched.at(at)
    trend = orders_of(status).trend
    assert len(trend) == TREND_POINTS
    assert (trend[0], trend[-2]) == (20.0, 2.0)


def test_memory_is_bounded() -> None:
    """A day of changes, deliveries and reloads keeps what the first half hour did."""
    stats = stats_of(partitions=MOST_PARTITIONS + 200)
    watched, workflow = Watched(stats), stats.workflows["orders"]
    sizes = []
    for at in range(0, 86_400, 30):
        workflow.gate_closed_since = None if at % 60 else WALL + at
        stats.config_reloads["ok"] += 1
        workflow.deliveries["delivered"] += 1
        watched.sample(at)
        if at in (1_800, 86_370):
            sizes.append(len(pickle.dumps(watched)))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
    status = watched.at(86_400)
    assert len(status.changes) == MOST_CHANGES
    assert len(status.partitions) == MOST_PARTITIONS
    assert status.groups[0].partitions == MOST_PARTITIONS + 200


def test_partitions_have_lag_and_rate() -> None:
    """Those that lag most come first; the rate is of committed offsets."""
    stats = stats_of()
    watched, tp = Watched(stats), TopicPartition("seg", 1)
    stats.ends[tp] = 500
    watched.at(0)
    stats.committed[tp] = 300
    status = watched.at(10)
    first, second = status.partitions
    assert (first.partition, first.lag, first.committed, first.committed_per_s) == (1, 200, 300, 30)
    assert (second.lag, second.committed_per_s) == (0, 0)
    assert status.groups[0].lag == 200


def test_retries_and_failures_are_attempts_that_ended_nothing() -> None:
    """By their answer, the commonest first."""
    stats = stats_of()
    watched, orders = Watched(stats), stats.workflows["orders"]
    watched.at(0)
    orders.attempts.update({"200": 10, "503": 6, "timeout": 2, "400": 1})
    orders.deliveries.update({"delivered": 10, "rejected": 1})
    orders.dead_letters["rejected"] = 1
    orders.filtered["type"] = 4
    read = orders_of(watched.at(10))
    assert read.retries == 8
    assert read.retries_per_s == pytest.approx(0.8)
    assert read.failing == {"503": 6, "timeout": 2, "400": 1}
    assert read.dead_letters == 1
    assert read.dead_letters_per_s == pytest.approx(0.1)
    assert (read.filtered, read.filtered_by_reason) == (4, {"type": 4})


def test_latencies_are_of_the_last_minute_or_of_all_time() -> None:
    """What was slow long ago is not shown as slow now; without attempts in between it is all there is."""
    stats = stats_of()
    watched, duration = Watched(stats), stats.workflows["orders"].attempt_duration
    for _ in range(100):
        duration.observe(4.0)
    assert orders_of(watched.at(0)).p50_s == pytest.approx(3.75)
    for _ in range(100):
        duration.observe(0.02)
    assert orders_of(watched.at(10)).p99_s == pytest.approx(0.025, abs=0.001)
    watched.at(100)
    assert orders_of(watched.at(200)).p99_s == pytest.approx(4.95)


def test_states_and_when_they_change() -> None:
    """Failing by its gate or by failures alone for seconds, held by the flood guard or by events; then well again."""
    stats = stats_of(workflows=["orders"])
    watched, orders = Watched(stats), stats.workflows["orders"]
    assert orders_of(watched.at(0)).state is State.DELIVERING
    orders.failing_since, orders.failing_because, orders.waiting = WALL + 1, "it answers 503", 1
    assert orders_of(watched.at(2)).state is State.DELIVERING
    found = orders_of(watched.at(5))
    assert (found.state, found.since, found.because) == (State.FAILING, WALL + 1, "it answers 503")
    orders.gate_closed_since, orders.failing_because = WALL + 6, "connection refused"
    found = orders_of(watched.at(7))
    assert (found.state, found.since, found.because) == (State.FAILING, WALL + 1, "connection refused")
    orders.gate_is_held = True
    assert orders_of(watched.at(8)).state is State.HELD
    orders.gate_closed_since, orders.gate_is_held, orders.failing_since = None, False, None
    orders.held, orders.held_since = 2, WALL + 7.5
    found = orders_of(watched.at(9))
    assert (found.state, found.since) == (State.HELD, WALL + 7.5)
    assert found.because == "2 events end badly and are not given up"
    orders.held = 0
    found = orders_of(watched.at(10))
    assert (found.state, found.since, found.because) == (State.DELIVERING, WALL + 10, "")
    assert orders_of(watched.at(20)).since == WALL + 10
    orders.paused = True
    orders.gate_closed_since = WALL + 20
    found = orders_of(watched.at(21))
    assert (found.state, found.since) == (State.PAUSED, WALL + 21)
    assert (orders_of(watched.at(30)).since, said(watched.at(30))[0]) == (WALL + 21, "orders is paused.")
    assert summarize(watched.at(30)) == (Severity.NOTICE, "orders is paused.")
    orders.paused, orders.gate_closed_since = False, None
    assert said(watched.at(31))[:6] == [
        "orders delivers.",
        "orders is paused.",
        "orders delivers.",
        "orders is held: dead letters in a row without a delivery.",
        "orders is failing: it answers 503.",
        "Kafka answers.",
    ]


def test_a_workflow_without_work_is_not_failing() -> None:
    """Its partition, with the event that failed, belongs to another process by now."""
    stats = stats_of()
    stats.workflows["orders"].failing_since = WALL - 60
    assert orders_of(Watched(stats).at(0)).state is State.DELIVERING


def test_changes_of_the_process_and_its_groups() -> None:
    """Kafka, partitions, reloads; a start without Kafka is no change yet."""
    stats = EngineStats("tray", ["seg"], ["orders"])
    watched = Watched(stats)
    assert said(watched.at(0)) == ["tray-stream 1.2.3 started."]
    stats.note_contact(Contact.answered(WALL))
    stats.partitions_assigned = 4
    watched.at(1)
    stats.config_reloads["ok"] += 1
    watched.at(2)
    stats.config_reloads["failed"] += 1
    stats.contact = Contact(is_up=False, at=WALL, seen_at=WALL + 11)
    stats.partitions_assigned = 0
    status = watched.at(11)
    assert said(status)[:-1] == [
        "Kafka is unreachable.",
        "tray has no partition assigned.",
        "The settings were not reloaded; see the log.",
        "The settings were reloaded.",
        "Kafka answers.",
        "tray has 4 partitions assigned.",
    ]
    assert (status.reloads, status.reloads_failed, status.reloaded_at) == (1, 1, WALL + 2)
    shown = json.loads(text_of(status))
    assert (shown["kafka_up"], shown["kafka_since"]) == (False, "2026-11-24T05:30:17.000Z")
    assert (shown["groups"][0]["kafka_up"], shown["groups"][0]["lag"]) == (False, None)
    stats.partitions_assigned = stats.partitions_halted = 1
    assert "1 partition of tray halted: records are gone." in said(watched.at(12))


def test_workers_are_added_up() -> None:
    """Sums of what they do; the worst state, the earliest closing, the next probe, the oldest event of any of them."""
    first, second = stats_of(), stats_of()
    for stats, since, until, oldest in ((first, WALL, WALL + 70, 5.0), (second, None, None, 9.0)):
        orders = stats.workflows["orders"]
        orders.in_flight, orders.concurrency_limit, orders.deliveries["delivered"] = 3, 8, 10
        orders.gate_closed_since, orders.gate_closed_until, orders.oldest_open_at = since, until, oldest
        orders.failing_because = "it answers 503" if since else ""
        orders.attempt_duration.observe(0.02 if since else 4.0)
    whole = merged({"0": Watched(first).at(0), "1": Watched(second).at(0)})
    read = orders_of(whole)
    assert (read.state, read.since, read.because) == (State.FAILING, WALL, "it answers 503")
    assert (read.in_flight, read.concurrency_limit, read.delivered) == (6, 16, 20)
    assert (read.gates, read.gates_closed, read.gate_closed_until, read.oldest_open_at) == (2, 1, WALL + 70, 5)
    assert read.p50_s == pytest.approx(0.025)
    assert read.p99_s == pytest.approx(4.95)
    assert {(one.partition, one.worker) for one in whole.partitions} == {(0, "0"), (0, "1"), (1, "0"), (1, "1")}
    assert whole.groups[0].members == 2
    assert said(whole).count("tray-stream 1.2.3 started.") == 1


def test_what_several_workers_say_at_once_is_one_change() -> None:
    """What one of them says, or says again, stays with its number."""
    changes = [
        Change(10.0, "reloaded", "Reloaded.", worker="0"),
        Change(11.0, "reloaded", "Reloaded.", worker="1"),
        Change(12.0, "failing", "crm is failing.", worker="1"),
        Change(13.0, "failing", "crm is failing.", worker="1"),
    ]
    assert [(one.at, one.worker) for one in latest_changes(changes)] == [(13.0, "1"), (12.0, "1"), (11.0, "")]


def test_a_reload_changes_the_workflows() -> None:
    """One that is gone is not shown, and one of the same name begins anew."""
    stats = stats_of()
    watched = Watched(stats)
    stats.workflows["orders"].gate_closed_since = WALL
    watched.at(1)
    watched.engines[:] = [stats_of(workflows=["orders", "new"])]
    status = watched.at(2)
    assert [(one.workflow, one.state) for one in status.workflows] == [
        ("orders", State.DELIVERING),
        ("new", State.DELIVERING),
    ]
    watched.engines.clear()
    assert watched.at(3).workflows == []


def summary_after(**numbers: int) -> tuple[Severity, str]:
    """The one sentence when the group has these numbers."""
    stats = stats_of()
    for name, value in numbers.items():
        setattr(stats, name, value)
    return summarize(Watched(stats).at(0))


def test_the_summary_says_the_most_urgent() -> None:
    """In one sentence."""
    assert summary_after() == (Severity.GOOD, "All 2 workflows deliver.")
    assert summary_after(partitions_halted=1)[1] == "1 partition is halted: records are gone before they were read."
    assert summary_after(held_records=2)[1] == "2 partitions are held: records are not valid events."
    assert summary_after(partitions_assigned=0) == (Severity.NOTICE, "No partition is assigned; nothing is read.")
    stats = stats_of()
    stats.workflows["privacy"].held = 1
    assert summarize(Watched(stats).at(0))[1] == "privacy is held."
    for name in ("orders", "privacy"):
        stats.workflows[name].gate_closed_since = WALL
    assert summarize(Watched(stats).at(0)) == (Severity.BAD, "2 of 2 workflows are failing.")
    assert summarize(Watched(EngineStats("tray", [], ["orders"])).at(0))[1] == (
        "Kafka has not answered yet. Events wait on the topic."
    )


def test_the_page_shows_foreign_text_as_text() -> None:
    """Whatever a group, a topic, a workflow or an answer is called; nothing of the page's own is replaced by it."""
    stats = EngineStats(HOSTILE, [HOSTILE], [HOSTILE])
    stats.note_contact(Contact.answered(WALL))
    stats.committed[TopicPartition(HOSTILE, 0)] = 1
    workflow = stats.workflows[HOSTILE]
    workflow.gate_closed_since, workflow.failing_because = WALL, HOSTILE
    workflow.attempts[HOSTILE], workflow.filtered[HOSTILE] = 1, 1
    page = render(Watched(stats).at(0), WALL).decode()
    assert "<img" not in page
    assert page.count("<script>") == 1
    assert page.count("&lt;img src=x onerror=&quot;alert(&#x27;1&#x27;)&quot;&gt;&amp;amp;{script}{main}") >= 7


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No address but its own paths, no inline handler or style, a policy that names the script by its hash."""
    page = render(Watched(stats_of()).at(0), WALL).decode()
    assert "http:" not in page
    assert "https:" not in page
    assert every(word not in page for word in (" style=", " onclick", "<button", "<form", "javascript:"))
    assert CONTENT_SECURITY_POLICY.count("'sha256-") == 2

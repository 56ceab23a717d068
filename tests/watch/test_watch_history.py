"""Rates, quantiles and gates from scrapes, over workers and restarts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watch_support import WALL, snapshot_of, stats_of, text_of

from stream.model.records import TopicPartition
from stream.runtime.supervisor.exposed import merged
from stream.top.history import History
from stream.top.quantile import quantile
from stream.top.reading import WorkflowReading
from stream.top.snapshot import read_snapshot


def workflow_of(history: History, name: str = "orders") -> WorkflowReading:
    """The reading of one workflow."""
    return next(one for one in history.reading().workflows if one.workflow == name)


def test_the_first_look_has_counts_and_no_rates() -> None:
    """There is nothing to compare with."""
    stats, history = stats_of(), History()
    stats.workflows["orders"].deliveries["delivered"] = 7
    history.take(snapshot_of(0, stats))
    reading = history.reading()
    assert (reading.version, reading.workers, reading.wall) == ("1.2.3", 0, WALL)
    assert [one.workflow for one in reading.workflows] == ["orders", "privacy"]
    orders = workflow_of(history)
    assert (orders.delivered, orders.delivered_per_s, orders.p50_s) == (7, None, None)
    assert list(history.total_trend) == []


def test_rates_are_of_the_last_seconds() -> None:
    """Ten of them, where there are so many; a counter that began anew counts from zero."""
    stats, history = stats_of(), History()
    counts = stats.workflows["orders"].deliveries
    for at, delivered in ((0, 0), (2, 100), (12, 150), (14, 160)):
        counts["delivered"] = delivered
        history.take(snapshot_of(at, stats))
    assert workflow_of(history).delivered_per_s == pytest.approx((160 - 100) / 12)
    assert list(history.trends["tray", "orders"]) == [50, 5, 5]
    counts["delivered"] = 20
    history.take(snapshot_of(16, stats))
    assert history.trends["tray", "orders"][-1] == 10
    assert history.total_trend[-1] == 10


def test_partitions_have_lag_and_rate() -> None:
    """The rate is of committed offsets."""
    stats, history = stats_of(), History()
    tp = TopicPartition("seg", 1)
    stats.ends[tp] = 500
    history.take(snapshot_of(0, stats))
    stats.committed[tp] = 300
    history.take(snapshot_of(10, stats))
    first, second = history.reading().partitions
    assert (first.lag, first.committed_per_s) == (0, 0)
    assert (second.partition, second.lag, second.committed, second.committed_per_s) == (1, 200, 300, 30)
    assert history.reading().groups[0].lag == 200


def test_retries_and_failures_are_attempts_that_ended_nothing() -> None:
    """By their answer, the commonest first."""
    stats, history = stats_of(), History()
    orders = stats.workflows["orders"]
    history.take(snapshot_of(0, stats))
    orders.attempts.update({"200": 10, "503": 6, "timeout": 2, "400": 1})
    orders.deliveries.update({"delivered": 10, "rejected": 1})
    orders.dead_letters["rejected"] = 1
    history.take(snapshot_of(10, stats))
    read = workflow_of(history)
    assert read.retries == 8
    assert read.retries_per_s == pytest.approx(0.8)
    assert read.failing == {"503": 6, "timeout": 2, "400": 1}
    assert read.dead_letters == 1
    assert read.dead_letters_per_s == pytest.approx(0.1)


def test_latencies_are_of_the_last_minute_or_of_all_time() -> None:
    """What was slow long ago is not shown as slow now; without attempts in between it is all there is."""
    stats, history = stats_of(), History()
    duration = stats.workflows["orders"].attempt_duration
    for _ in range(100):
        duration.observe(4.0)
    history.take(snapshot_of(0, stats))
    assert workflow_of(history).p50_s == pytest.approx(3.75)
    for _ in range(100):
        duration.observe(0.02)
    history.take(snapshot_of(10, stats))
    assert workflow_of(history).p99_s == pytest.approx(0.025, abs=0.001)
    history.take(snapshot_of(100, stats))
    history.take(snapshot_of(200, stats))
    assert workflow_of(history).p99_s == pytest.approx(4.95)


def test_workers_are_added_up() -> None:
    """Sums of what they do; the earliest closing, the next probe, the oldest event of any of them."""
    first, second = stats_of(), stats_of()
    for stats, since, until, oldest in ((first, 50.0, 70.0, 5.0), (second, None, None, 9.0)):
        orders = stats.workflows["orders"]
        orders.in_flight, orders.concurrency_limit, orders.deliveries["delivered"] = 3, 8, 10
        orders.gate_closed_since, orders.gate_closed_until, orders.oldest_open_at = since, until, oldest
    text = merged({0: text_of(first), 1: text_of(second)})
    up = '# TYPE tray_worker_up gauge\ntray_worker_up{worker="0"} 1\ntray_worker_up{worker="1"} 0\n'
    history = History()
    history.take(read_snapshot(up + text, 0, WALL))
    reading, read = history.reading(), workflow_of(history)
    assert (reading.workers, reading.workers_up) == (2, 1)
    assert (read.in_flight, read.concurrency_limit, read.delivered) == (6, 16, 20)
    assert (read.gates, read.gates_closed, read.gate_closed_since, read.gate_closed_until) == (2, 1, 50, 70)
    assert read.oldest_open_at == 5
    assert {(one.partition, one.worker) for one in reading.partitions} == {(0, "0"), (0, "1"), (1, "0"), (1, "1")}


def test_groups_of_isolated_workflows() -> None:
    """Each workflow is read from its own group."""
    engines = [stats_of(f"tray.{name}", [name]) for name in ("orders", "privacy")]
    engines[1].workflows["privacy"].held = 2
    history = History()
    history.take(snapshot_of(0, *engines))
    reading = history.reading()
    assert [group.group for group in reading.groups] == ["tray.orders", "tray.privacy"]
    assert [(one.group, one.held) for one in reading.workflows] == [("tray.orders", 0), ("tray.privacy", 2)]


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.floats(0, 1))
def test_a_quantile_lies_within_the_bounds(counts: list[int], share: float) -> None:
    """Whatever was counted; it is none only where nothing was."""
    bounds = (0.1, 1.0, math.inf)
    cumulative = {bound: float(sum(counts[: index + 1])) for index, bound in enumerate(bounds)}
    found = quantile(share, cumulative)
    assert (found is None) == (sum(counts) == 0)
    assert found is None or 0 <= found <= 1.0


def test_quantiles_are_those_of_prometheus() -> None:
    """Linear within a bucket; beyond the last bound that bound."""
    counts = {0.1: 10.0, 0.5: 30.0, math.inf: 40.0}
    assert quantile(0.5, counts) == pytest.approx(0.3)
    assert quantile(0.25, counts) == pytest.approx(0.1)
    assert quantile(0.99, counts) == 0.5
    assert quantile(0.5, {}) is None

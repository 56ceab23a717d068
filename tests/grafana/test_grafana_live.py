"""Every query of every panel and rule against a real Prometheus that scraped a real run with failures in it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pytest
from assertions import HANG_S
from grafana_support import ALL_METRICS, all_panels, rules, selectors
from support.behaviours import OutageBehaviour
from support.topics import Broker, produce_events
from support.waiting import wait_until

from stream.demo.observation import Observation, ObservationPlan
from stream.demo.prometheus import Prometheus, prometheus_program
from stream.demo.samples import poison_values
from stream.demo.workflows import script_workflows

WAIT_S = HANG_S
RATE = 100.0
SHIPPED = Path(__file__).resolve().parents[2] / "grafana"
"""Also where the program under test is installed elsewhere."""


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has seen a run, from `start` to `end` (Unix time)."""

    prometheus: Prometheus
    start: float
    end: float

    def values(self, expr: str) -> list[float]:
        """Every value that an expression had at some second of the run."""
        found = self.prometheus.query_range(expr, self.start, self.end)
        return [value for series in found for value in series.values if not isnan(value)]


def test_a_run_is_seen_in_full(apache_kafka: Broker, topic_name: str, tmp_path: Path) -> None:
    """One workflow rejects, one dies and heals, some records are no events: no query comes back empty.

    Two workers, so that their metrics are there, too. One test, since the run takes its time: its checks stand below.
    """
    if prometheus_program() is None:
        assert os.environ.get("CI") != "true", "Prometheus must be there in CI"
        pytest.skip("PROMETHEUS IS NOT INSTALLED: the dashboards' queries were not run")
    start = time.time()
    plan = ObservationPlan(topic=topic_name, rate=RATE, workers=2, shipped=SHIPPED)
    with Observation(tmp_path, apache_kafka.bootstrap, plan) as run:
        try:
            play(run, apache_kafka.bootstrap, topic_name)
        finally:
            print(run.processor.log)  # pytest shows it with a failure
        watched = Watched(run.prometheus, start, time.time())
        check_rules_are_evaluated(watched)
        check_catalogue_is_exposed(watched)
        check_panels_are_full(watched)
        check_rules_read_what_exists(watched)
        check_story_is_told(watched)
        assert run.stop_processor() == 0


def play(run: Observation, bootstrap: str, topic: str) -> None:
    """The story, each step once Prometheus has seen the one before."""
    ask = run.prometheus.value
    script_workflows(run.receiver)
    run.receiver.script("/crm", 200)
    produce_events(bootstrap, topic, [(None, value, None, None) for _, value in poison_values()])
    wait_until(lambda: ask('sum(tray_deliveries_total{workflow="crm"}) > 100'), "events are delivered")
    outage = OutageBehaviour(503)
    run.receiver.script("/crm", outage)
    wait_until(lambda: ask('tray_gate_open{workflow="crm"} == bool 0'), "the gate closes")
    wait_until(lambda: ask('sum(tray_waiting{workflow="crm"}) > 100'), "events wait for it")
    outage.heal()
    wait_until(lambda: ask('tray_gate_open{workflow="crm"} == 1'), "the gate opens again")
    wait_until(lambda: ask('sum(tray_dead_letters_total{workflow="orders"}) > 0'), "dead letters are written")
    run.end_load()
    wait_until(lambda: ask("sum(tray_open_events) + sum(tray_consumer_lag) == bool 0"), "everything is delivered")


def check_rules_are_evaluated(watched: Watched) -> None:
    """Prometheus takes the shipped configuration, and evaluates every rule without an error."""
    assert watched.prometheus.value("sum(up)") == 1
    groups: list[dict[str, Any]] = watched.prometheus.api("rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert [rule for rule in loaded if rule["health"] != "ok"] == []
    assert {rule["name"] for rule in loaded} == {rule.get("alert") or rule["record"] for rule in rules()}


def check_catalogue_is_exposed(watched: Watched) -> None:
    """Every metric of the catalogue had samples, and there is none of ours beside them."""
    names = watched.prometheus.api("label/__name__/values")
    histograms = {metric.name for metric in ALL_METRICS if metric.kind == "histogram"}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    expected = {metric.name for metric in ALL_METRICS} - histograms | parts
    assert {name for name in names if name.startswith("tray_")} == expected


def check_panels_are_full(watched: Watched) -> None:
    """No query of a dashboard is empty."""
    queries = [(panel.board, panel.title, query) for panel in all_panels() for query in panel.queries]
    assert [found for found in queries if not watched.values(filled_in(found[2]))] == []


def check_rules_read_what_exists(watched: Watched) -> None:
    """Each selector of each rule finds what it looks for: label sets that are known start at zero."""
    read = {(s.name, s.matchers) for rule in rules() for s in selectors(rule["expr"])}
    assert {found for found in read if not watched.values(f"{found[0]}{{{found[1]}}}")} == set()


def check_story_is_told(watched: Watched) -> None:
    """One look says which workflow failed and that nothing is lost: the books balance at every second."""
    overview = {panel.title: panel.queries for panel in all_panels() if panel.board == "Overview"}
    assert set(watched.values(filled_in(overview["Unaccounted events"][0]))) == {0}
    assert set(watched.values(filled_in(overview["Records lost"][0]))) == {0}
    assert max(watched.values(filled_in(overview["Workflows failing"][0]))) == 1
    gates = watched.prometheus.query_range("tray_gate_open == 0", watched.start, watched.end)
    assert {series.labels["workflow"] for series in gates} == {"crm"}
    fired = watched.prometheus.query('last_over_time(ALERTS{alertstate="firing"}[1h])')
    assert "TrayDeadLettersWritten" in {series.labels["alertname"] for series in fired}


def filled_in(query: str) -> str:
    """A query with Grafana's variables as they are when everything is chosen, for scrapes of every second."""
    for name in ("job", "instance", "group", "workflow"):
        query = query.replace(f"${name}", ".+")
    query = query.replace("$namespace", ".*").replace("[10m]", "[5s]")
    return query.replace("$__rate_interval", "5s").replace("$__range", "5m")

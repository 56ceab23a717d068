"""The metrics endpoint shows the catalogue, from zero on, and nothing unbounded."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families

from stream.model.events import Reason, Settlement
from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.catalogue import CATALOGUE
from stream.telemetry.metrics import EngineCollector, build_registry

ORDERS = {"group": "tray", "workflow": "orders"}


def families(*engines: EngineStats) -> dict[str, Family]:
    """What a scrape of the engines alone gives, by name."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(engines, "1.2.3"))
    return {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}


def value(found: dict[str, Family], sample: str, **labels: str) -> float | None:
    """The value of one sample; None when there is none."""
    hits = [s.value for family in found.values() for s in family.samples if (s.name, s.labels) == (sample, labels)]
    return hits[0] if hits else None


def counted() -> EngineStats:
    """An engine that has seen a bit of everything."""
    stats = EngineStats("tray", ["events"], ["orders", "privacy"])
    stats.received["events", "track"] += 5
    stats.settled["events", Settlement.DELIVERED] += 3
    stats.open_events["events"] += 2
    stats.open_bytes = 1600
    stats.tombstones = 7
    stats.invalid[Reason.INVALID_JSON] += 1
    stats.rebalances["assigned"] += 1
    stats.dead_letter_writes["ok"] += 4
    stats.committed[TopicPartition("events", 3)] = 100
    stats.ends[TopicPartition("events", 3)] = 130
    stats.records_lost[TopicPartition("events", 4)] = 9
    stats.partitions_paused = 1
    stats.held_records = 3
    stats.partitions_assigned, stats.partitions_halted = 4, 1
    stats.note_contact(Contact.answered(1764000100.0))
    orders = stats.workflows["orders"]
    orders.attempts["503"] += 1
    orders.deliveries["delivered"] += 3
    orders.dead_letters[Reason.REJECTED] += 2
    orders.in_flight, orders.waiting = 6, 8
    orders.last_delivery_at = 1764000000.5
    orders.concurrency_limit, orders.held = 12, 2
    orders.gate_closed_since, orders.gate_closed_until = 1764000100.0, 1764000160.0
    orders.oldest_open_at = 1763999000.0
    for seconds in (0.005, 0.02, 99.0):
        orders.attempt_duration.observe(seconds)
    return stats


def test_exposed_names_and_labels_are_the_catalogue() -> None:
    """Nothing is missing, nothing is extra, and each sample has the labels that are promised."""
    found = families(counted())
    assert {family.name + ("_total" if family.type == "counter" else "") for family in found.values()} == {
        metric.name for metric in CATALOGUE
    }
    for metric in CATALOGUE:
        family = found[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.sentence)
        assert family.samples
        assert {frozenset(s.labels) - {"le"} for s in family.samples} == {frozenset(metric.labels)}


def test_known_label_sets_start_at_zero() -> None:
    """A rate over a counter sees its first increase."""
    found = families(EngineStats("tray", ["events"], ["orders"]))
    zero = {
        "tray_events_received_total": {"group": "tray", "topic": "events", "type": "custom"},
        "tray_events_settled_total": {"group": "tray", "topic": "events", "settlement": "abandoned"},
        "tray_events_filtered_total": {**ORDERS, "reason": "integrations"},
        "tray_deliveries_total": {**ORDERS, "outcome": "expired"},
        "tray_attempts_total": {**ORDERS, "code": "timeout"},
        "tray_dead_letters_total": {**ORDERS, "reason": "rejected"},
        "tray_rebalances_total": {"group": "tray", "kind": "lost"},
        "tray_dead_letter_writes_total": {"result": "failed"},
        "tray_config_reloads_total": {"result": "failed"},
        "tray_event_age_seconds_count": ORDERS,
        "tray_open_bytes": {"group": "tray"},
        "tray_kafka_up": {"group": "tray"},
        "tray_partitions_assigned": {"group": "tray"},
        "tray_partitions_halted": {"group": "tray"},
        "tray_partitions_awaiting_schema": {"group": "tray"},
        "tray_schema_requests_total": {"group": "tray", "result": "failed"},
    }
    assert {name: value(found, name, **labels) for name, labels in zero.items()} == dict.fromkeys(zero, 0)
    assert value(found, "tray_events_filtered_total", group="tray", workflow="", reason="tombstone") == 0
    assert value(found, "tray_dead_letters_total", group="tray", workflow="", reason="invalid_event") == 0
    assert found["tray_commits"].samples


def test_what_is_not_known_yet_has_no_sample() -> None:
    """A timestamp before the first delivery and partitions that are not owned are absent."""
    found = families(EngineStats("tray", ["events"], ["orders"]))
    absent = [
        "tray_last_delivery_timestamp_seconds",
        "tray_consumer_lag",
        "tray_committed_offset",
        "tray_gate_closed_since_timestamp_seconds",
        "tray_gate_closed_until_timestamp_seconds",
        "tray_oldest_open_timestamp_seconds",
        "tray_kafka_last_contact_timestamp_seconds",
    ]
    assert [found[name].samples for name in absent] == [[]] * len(absent)
    assert value(found, "tray_gate_open", **ORDERS) == 1


def test_numbers_arrive_under_their_labels() -> None:
    """Each count is found where a dashboard looks for it."""
    found = families(counted())
    assert value(found, "tray_events_received_total", group="tray", topic="events", type="track") == 5
    assert value(found, "tray_events_settled_total", group="tray", topic="events", settlement="delivered") == 3
    assert value(found, "tray_open_events", group="tray", topic="events") == 2
    assert value(found, "tray_open_bytes", group="tray") == 1600
    assert value(found, "tray_consumer_lag", group="tray", topic="events", partition="3") == 30
    assert value(found, "tray_committed_offset", group="tray", topic="events", partition="3") == 100
    assert value(found, "tray_records_lost_total", group="tray", topic="events", partition="4") == 9
    assert value(found, "tray_partitions_paused", group="tray") == 1
    assert value(found, "tray_events_filtered_total", group="tray", workflow="", reason="tombstone") == 7
    assert value(found, "tray_dead_letters_total", group="tray", workflow="", reason="invalid_json") == 1
    assert value(found, "tray_dead_letters_total", **ORDERS, reason="rejected") == 2
    assert value(found, "tray_attempts_total", **ORDERS, code="503") == 1
    assert value(found, "tray_in_flight", **ORDERS) == 6
    assert value(found, "tray_waiting", **ORDERS) == 8
    assert value(found, "tray_concurrency_limit", **ORDERS) == 12
    assert value(found, "tray_held", **ORDERS) == 2
    assert value(found, "tray_held", group="tray", workflow="") == 3
    assert value(found, "tray_gate_open", **ORDERS) == 0
    assert value(found, "tray_gate_closed_until_timestamp_seconds", **ORDERS) == 1764000160.0
    assert value(found, "tray_oldest_open_timestamp_seconds", **ORDERS) == 1763999000.0
    assert value(found, "tray_last_delivery_timestamp_seconds", **ORDERS) == 1764000000.5
    assert value(found, "tray_build_info", version="1.2.3") == 1


def test_histograms_are_cumulative() -> None:
    """A bucket counts what is at most its bound; the last one counts everything."""
    found = families(counted())

    def bucket(bound: str) -> float | None:
        return value(found, "tray_attempt_duration_seconds_bucket", **ORDERS, le=bound)

    assert [bucket(bound) for bound in ("0.005", "0.01", "0.025", "60.0", "+Inf")] == [1, 1, 2, 2, 3]
    assert value(found, "tray_attempt_duration_seconds_count", **ORDERS) == 3
    assert value(found, "tray_attempt_duration_seconds_sum", **ORDERS) == pytest.approx(99.025)


def test_engines_of_a_process_stand_side_by_side() -> None:
    """Each group has its own series; what belongs to the process is added up."""
    first = EngineStats("tray.orders", ["events"], ["orders"])
    second = EngineStats("tray.privacy", ["events"], ["privacy"])
    first.dead_letter_writes["ok"] = 2
    second.dead_letter_writes["ok"] = 3
    second.open_bytes = 10
    found = families(first, second)
    assert value(found, "tray_dead_letter_writes_total", result="ok") == 5
    assert value(found, "tray_open_bytes", group="tray.orders") == 0
    assert value(found, "tray_open_bytes", group="tray.privacy") == 10


def test_an_engine_that_comes_later_is_seen() -> None:
    """The list is read at each scrape."""
    engines: list[EngineStats] = []
    registry = build_registry(engines, "1.2.3")
    assert b'group="tray"' not in generate_latest(registry)
    engines.append(EngineStats("tray", ["events"], ["orders"]))
    assert b'group="tray"' in generate_latest(registry)


def test_promtool_finds_no_fault() -> None:
    """Names, types, units and help texts are as Prometheus wants them."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert os.environ.get("CI") != "true", "promtool is needed: it comes with Prometheus"
        pytest.skip("promtool is not installed")
    scrape = generate_latest(build_registry([counted()], "1.2.3"))
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")

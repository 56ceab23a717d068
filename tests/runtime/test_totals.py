"""What the log says of an engine's numbers."""

from __future__ import annotations

from stream.model.events import FilterReason, Settlement
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from stream.runtime.totals import filter_reasons, settled_fields, total_fields, waiting_fields


def test_the_totals_say_why_events_were_filtered() -> None:
    """What was received, what became of it, and what is left."""
    stats = EngineStats("tray", ["events"], ["orders"])
    stats.received["events", "track"] = 100
    for settlement, count in ((Settlement.DELIVERED, 15), (Settlement.FILTERED, 77), (Settlement.ABANDONED, 3)):
        stats.settled["events", settlement] = count
    stats.settled["events", Settlement.DEAD_LETTERED] = stats.dead_letter_writes["ok"] = 1
    stats.open_events["events"] = 4
    stats.workflows["orders"].filtered[FilterReason.TYPE] = 70
    stats.workflows["orders"].filtered[FilterReason.INTEGRATIONS] = 5
    stats.tombstones = 2
    assert total_fields(stats) == {
        "received": 100,
        "delivered": 15,
        "filtered": 77,
        "filtered_by": "integrations 5, type 70, tombstone 2",
        "dead_letters": 1,
        "avoided": 0,
        "open": 4,
        "abandoned": 3,
    }


def test_the_reasons_of_several_workflows_are_told_apart() -> None:
    """An event that one wants and another does not is not filtered, yet counted as such by the other."""
    stats = EngineStats("tray", ["events"], ["orders", "audit", "all"])
    stats.workflows["orders"].filtered[FilterReason.EVENT] = 7
    stats.workflows["audit"].filtered[FilterReason.TYPE] = 2
    assert filter_reasons(stats) == "orders: event 7; audit: type 2"


def test_nothing_filtered_has_no_reasons() -> None:
    """The field is left out."""
    stats = EngineStats("tray", ["events"], ["orders"])
    assert settled_fields(stats) == {"delivered": 0, "filtered": 0, "dead_letters": 0}


def test_a_run_that_does_not_end_says_what_it_waits_for() -> None:
    """Each workflow with events to deliver; since when it fails and when it is probed, if it does."""
    stats = EngineStats("tray", ["events"], ["dead", "slow", "done"])
    dead, slow = stats.workflows["dead"], stats.workflows["slow"]
    dead.waiting, dead.in_flight, dead.gate_closed_since, dead.gate_closed_until = (
        40,
        1,
        1_795_498_217.0,
        1_795_498_300.0,
    )
    slow.in_flight = 3
    assert list(waiting_fields(stats, 1_795_498_290.0)) == [
        {"workflow": "dead", "events": 41, "failing_since": "2026-11-24T05:30:17.000Z", "next_probe_in_s": 10.0},
        {"workflow": "slow", "events": 3},
    ]


def test_a_run_without_deliveries_says_what_is_left() -> None:
    """Events that only wait for their dead letters are open; what was never read is the lag."""
    stats = EngineStats("tray", ["events"], ["orders"])
    stats.open_events["track"] = 2
    tp = TopicPartition("events", 0)
    stats.committed[tp], stats.ends[tp] = 5, 12
    assert list(waiting_fields(stats, 0.0)) == [{"open": 2, "lag": 7}]

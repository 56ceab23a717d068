"""That nothing is read is the first thing that `top` says, in red, whatever the size of the terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from assertions import every
from rich.console import Console
from support.watched import WALL, stats_of, status_of, workers_of

from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.status.report import ProcessStatus
from stream.top.screen import Screen

NOW = WALL + 184
AWAY = Contact(is_up=False, at=WALL, seen_at=NOW)
SIZES = [(80, 24), (200, 60)]


def drawn(status: ProcessStatus, width: int = 80, height: int = 24) -> list[str]:
    """What a terminal shows of it."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(screen_of(status), end="")
    return out.getvalue().splitlines()


def screen_of(status: ProcessStatus) -> Screen:
    """The view of it, three minutes after Kafka answered last."""
    return Screen("http://127.0.0.1:9464/status.json", "2s", lambda: NOW, status)


def lost() -> EngineStats:
    """A group whose partitions are gone since Kafka is."""
    stats = stats_of(partitions=0)
    stats.note_contact(AWAY)
    return stats


def isolated(names: Sequence[str], *away: str) -> list[EngineStats]:
    """A group for each workflow, of which some are cut off."""
    groups = [stats_of(f"tray.{name}", [name]) for name in names]
    for stats in groups:
        if stats.group.removeprefix("tray.") in away:
            stats.note_contact(AWAY)
    return groups


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_kafka_that_is_away_is_told_with_since_when(width: int, height: int) -> None:
    """And the lag is unknown, not 0."""
    lines = drawn(status_of(lost()), width, height)
    assert lines[1] == "Kafka unreachable since 05:30:17 UTC (3m04s). Events wait; lag unknown."
    assert "lag ?" in lines[2]
    assert every("No partition" not in line for line in lines)  # it follows from the other


def test_it_is_red() -> None:
    """In bold."""
    screen = screen_of(status_of(lost()))
    assert [str(line.style) for line in screen.lines(80, 24)][1] == "bold red"


def test_partitions_that_are_still_held_have_no_known_lag() -> None:
    """Until the session ends they are owned, and the last lag that was seen says nothing."""
    stats = stats_of()
    stats.note_contact(AWAY)
    lines = drawn(status_of(stats))
    assert [line.split()[:2] for line in lines if line.startswith("seg:")] == [["seg:0", "?"], ["seg:1", "?"]]
    assert "lag ?" in lines[2]


def test_kafka_that_never_answered_has_no_time() -> None:
    """At a first start."""
    assert drawn(status_of(EngineStats("tray", ["seg"], ["orders"])))[1] == (
        "Kafka has not answered yet. Events wait; lag unknown."
    )


def test_a_process_without_partitions_is_told() -> None:
    """Kafka answers, and gave it none."""
    lines = drawn(status_of(stats_of(partitions=0)))
    assert lines[1] == "No partition is assigned to this process; it reads nothing."
    assert "lag ?" in lines[2]


def test_workers_without_a_partition_beside_others_are_well() -> None:
    """More workers than partitions."""
    status = workers_of(stats_of(), stats_of(partitions=0))
    assert every("No partition" not in line for line in drawn(status))
    assert status.groups[0].partitions_assigned == 2


def test_one_worker_that_is_cut_off_is_told() -> None:
    """How many of how many; the lag of what the others own is known by itself, the whole is not."""
    status = workers_of(stats_of(), lost())
    lines = drawn(status)
    assert (
        lines[1] == "Kafka unreachable from 1 of 2 workers since 05:30:17 UTC (3m04s). Events wait; lag unknown."[:80]
    )
    assert [line.split()[1] for line in lines if line.startswith("seg:")] == ["0", "0"]


def test_groups_are_named_when_it_is_about_some() -> None:
    """With isolation = "workflow"."""
    assert drawn(status_of(*isolated(["orders", "crm"], "crm")), 120)[1].endswith("lag unknown: tray.crm.")
    assert "lag 0+?" in drawn(status_of(*isolated(["orders", "crm"], "crm")), 120)[2]
    assert drawn(status_of(*isolated(["orders", "crm"], "crm", "orders")), 120)[1].endswith("lag unknown.")


def test_halted_partitions_are_told() -> None:
    """Although their lag may be 0."""
    stats = stats_of()
    stats.partitions_halted = 2
    assert "2 partitions halted: records that were to be read are gone" in drawn(status_of(stats))


def test_an_outage_of_days_has_its_day() -> None:
    """A time of day alone would mislead."""
    stats = lost()
    stats.contact = Contact(is_up=False, at=WALL - 200_000, seen_at=NOW)
    assert " since 2026-11-21 21:56 UTC (2d7h). " in drawn(status_of(stats))[1]

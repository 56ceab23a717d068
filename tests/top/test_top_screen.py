"""The view fits whatever room there is, and shows what matters first."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from rich.console import Console
from support.watched import WALL, Watched, stats_of, status_of, text_of

from stream.model.amounts import latency, rate, short, size, span
from stream.model.records import TopicPartition
from stream.top.columns import PLAIN_BARS, sparkline
from stream.top.fetch import read_status
from stream.top.screen import Screen


def screen_of(workflows: Sequence[str] = ("orders", "privacy"), partitions: int = 3, looks: int = 30) -> Screen:
    """A view of a processor of which the first workflow delivers and the second fails."""
    stats = stats_of("tray", workflows, partitions)
    watched = Watched(stats)
    good, bad = stats.workflows[workflows[0]], stats.workflows[workflows[1]]
    for look in range(looks):
        good.deliveries["delivered"] += 100
        good.attempts["200"] += 100
        for partition in range(partitions):
            stats.ends[TopicPartition("seg", partition)] = 10 * partition
        watched.at(10 * look)
    now = 10 * looks
    bad.attempts["503"] = 7
    bad.gate_closed_since, bad.gate_closed_until = WALL + now - 184, WALL + now + 5
    bad.failing_because = "it answers 503 Service Unavailable"
    bad.oldest_open_at, bad.waiting, bad.held = WALL + now - 3660, 1234, 3
    good.deliveries["delivered"] += 400
    status = read_status(text_of(watched.at(now)))
    return Screen("http://127.0.0.1:9464/status.json", "2s", lambda: WALL + now, status)


def drawn(screen: Screen, width: int, height: int) -> list[str]:
    """What a terminal of this size shows."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(screen, end="")
    return out.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(40, 10), (60, 14), (80, 24), (120, 30), (200, 50), (500, 100)])
def test_it_fits(width: int, height: int) -> None:
    """No line is longer and there are no more of them; every workflow is there where there is room."""
    names = [f"workflow-number-{n}" for n in range(10)]
    lines = drawn(screen_of(names, partitions=48), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    shown = sum("number-" in line or "-numb" in line for line in lines)
    assert shown == 10 or any("workflows more" in line for line in lines)


def test_eighty_columns_show_what_matters() -> None:
    """Rate, latency, gate and until when, retries, dead letters, oldest, why it fails, lag and the trend."""
    lines = drawn(screen_of(), 80, 24)
    text = "\n".join(lines)
    header = next(line for line in lines if line.startswith("workflow"))
    wanted = ["workflow", "done/s", "p99", "flight", "gate", "retry/s", "dead", "oldest", "failing"]
    assert header.split()[: len(wanted)] == wanted
    privacy = next(line for line in lines if line.startswith("privacy"))
    assert "shut 3m04s>5s" in privacy
    assert "503 x7" in privacy
    assert "1h01m" in privacy
    orders = next(line for line in lines if line.startswith("orders"))
    assert orders.split()[:2] == ["orders", "40"]
    assert "█" in text
    assert "seg:2                  20" in text


def rows(screen: Screen) -> list[str]:
    """The names of the workflows as they are listed."""
    return [line.split()[0] for line in drawn(screen, 80, 24) if line.startswith(("orders", "privacy"))]


def test_keys_sort_the_workflows() -> None:
    """By what matters, and back; the order is told."""
    screen = screen_of()
    assert rows(screen) == ["orders", "privacy"]
    orders = []
    for _ in range(5):
        screen.press("s")
        orders.append(rows(screen)[0])
    assert orders == ["orders", "privacy", "privacy", "privacy", "orders"]
    screen.press("s")
    assert "fastest first" in drawn(screen, 80, 24)[-1]


def test_a_digit_shows_one_workflow() -> None:
    """Everything of it, its failures by answer included; Escape, or the digit again, shows all."""
    screen = screen_of()
    screen.press("2")
    text = "\n".join(drawn(screen, 80, 24))
    assert "workflow privacy  group tray" in text
    for wanted in (
        "failing for 3m04s: it answers 503 Service Unavailable",
        "shut 3m04s>5s",
        "1h01m",
        "503           7",
        "waiting       1234",
        "held          3",
    ):
        assert wanted in text
    assert rows(screen) == []
    screen.press("\x1b")
    assert rows(screen) == ["orders", "privacy"]
    screen.press("9")
    assert rows(screen) == ["orders", "privacy"]  # there is none in that row
    screen.press("x")
    assert rows(screen) == ["orders", "privacy"]


def test_a_paused_workflow_is_told() -> None:
    """In the gate's column, whatever the gate is, and by itself."""
    stats = stats_of()
    stats.workflows["privacy"].paused, stats.workflows["privacy"].gate_closed_since = True, WALL
    screen = Screen("http://127.0.0.1:9464/status.json", "2s", lambda: WALL, status_of(stats))
    lines = drawn(screen, 80, 24)
    assert "paused" in next(line for line in lines if line.startswith("privacy"))
    screen.press("2")
    assert "  paused for 0s" in drawn(screen, 80, 24)


def test_a_pause_is_told() -> None:
    """Until the key is pressed again."""
    screen = screen_of()
    screen.press("p")
    assert drawn(screen, 80, 24)[-1].startswith("paused  q quit")
    screen.press("p")
    assert drawn(screen, 80, 24)[-1].startswith("q quit")


def test_a_wide_terminal_shows_more() -> None:
    """Held, waiting, the commonest failure, and each workflow's trend."""
    lines = drawn(screen_of(), 200, 50)
    text = "\n".join(lines)
    for wanted in ("held", "waiting", "503 x7", "last ok", "filtered", "1234"):
        assert wanted in text
    assert [line.split()[0] for line in lines if re.search(r"([▁-█])\1{11}", line)] == ["received", "orders"]


def test_partitions_that_lag_most_come_first() -> None:
    """What there is no room for is counted."""
    lines = drawn(screen_of(partitions=60), 80, 24)
    shown = [line.split()[0] for line in lines if line.startswith("seg:")]
    assert shown[:2] == ["seg:59", "seg:58"]
    assert f"… and {60 - len(shown)} partitions with less lag" in "\n".join(lines)


def test_it_says_that_the_endpoint_does_not_answer() -> None:
    """With how old is what is shown, or without anything to show."""
    screen = screen_of()
    screen.fault, at = "connection refused", screen.wall()
    screen.wall = lambda: at + 12
    assert "No status: connection refused. Trying again. Shown: 12s ago." in "\n".join(drawn(screen, 80, 24))
    waiting = Screen("http://127.0.0.1:1/status.json", "2s", lambda: WALL, fault="connection refused")
    assert drawn(waiting, 80, 24)[1:] == ["No status: connection refused. Trying again."]


def test_what_is_never_well_is_told() -> None:
    """Lost records, refused commits, held partitions: one line."""
    stats = stats_of()
    stats.records_lost[TopicPartition("seg", 0)] = 12
    stats.commits["failed"] = 2
    screen = Screen("http://127.0.0.1:9464/status.json", "2s", lambda: WALL, status_of(stats))
    assert "12 records lost before they were read  2 commits refused" in drawn(screen, 80, 24)


def test_a_terminal_without_unicode_has_plain_bars() -> None:
    """The largest is the highest; nothing at all is a blank; there is no more than fits."""
    assert sparkline([0, 1, 50, 100], 6, PLAIN_BARS) == "   .+@"
    assert sparkline(range(100), 5) == "█████"
    assert sparkline([], 3) == "   "
    assert sparkline([0, 0], 2) == "  "


def test_words() -> None:
    """Few characters, whatever the number."""
    assert [short(n) for n in (0, 7, 9999, 12_345, 4_500_000, 7e9)] == ["0", "7", "9999", "12.3k", "4.5M", "7.0G"]
    assert [rate(n) for n in (None, 0, 0.25, 9.94, 12.4)] == ["-", "0", "0.2", "9.9", "12"]
    assert [latency(s) for s in (None, 0.0042, 0.25, 3.2, 45)] == ["-", "4.2ms", "250ms", "3.2s", "45s"]
    assert [span(s) for s in (-1, 12, 184, 7500, 270_000)] == ["0s", "12s", "3m04s", "2h05m", "3d3h"]
    assert [size(n) for n in (0, 812, 12_288, 3_565_158, 5e9)] == ["0 B", "812 B", "12 KiB", "3.4 MiB", "4.7 GiB"]

"""How fast a replay is, and when it is done."""

from __future__ import annotations

from stream.replay.bar import WINDOW_S, Meter
from stream.replay.run import ReplayState


def test_steady() -> None:
    """Events a second, and the seconds that are left at this speed."""
    meter = Meter()
    assert (meter.events_per_s, meter.left_s) == (None, None)
    for second in range(6):
        meter.note(float(second), {"orders": (second * 100, 1000)}, second * 30)
    assert meter.events_per_s == 30
    assert meter.left_s == 5


def test_the_slowest_workflow_decides() -> None:
    """They are worked on side by side; one that is done takes no time."""
    meter = Meter()
    for second in range(11):
        meter.note(float(second), {"a": (second * 10, 500), "b": (second, 100), "c": (5, 5)}, second * 11)
    assert meter.left_s == 90
    meter.note(11.0, {"a": (500, 500), "b": (100, 100), "c": (5, 5)}, 600)
    assert meter.left_s == 0


def test_nothing_is_said_too_early_or_at_a_standstill() -> None:
    """A first second must pass; while one stands still there is no end in sight."""
    meter = Meter()
    meter.note(0.0, {"a": (10, 1000)}, 10)
    meter.note(0.5, {"a": (20, 1000)}, 20)
    assert (meter.events_per_s, meter.left_s) == (None, None)
    meter.note(20.0, {"a": (20, 1000), "b": (0, 9)}, 20)
    meter.note(22.0, {"a": (25, 1000), "b": (0, 9)}, 20)
    assert (meter.events_per_s, meter.left_s) == (0, None)


def test_only_the_last_seconds_count() -> None:
    """A slow beginning is forgotten."""
    meter = Meter()
    for second in range(100):
        meter.note(float(second), {"a": (second, 10_000)}, second)
    for second in range(100, 100 + int(WINDOW_S) + 1):
        meter.note(float(second), {"a": (second * 10, 10_000)}, second * 10)
    assert meter.events_per_s == 10


def test_work_is_deliveries_not_offsets() -> None:
    """What was read and filtered is no progress; a dead letter is; without a delivery to expect offsets are all."""
    letters: dict[str, dict[str, int]] = {"a": {"rejected": 3}, "b": {}}
    state = ReplayState(9_000, 77, {"a": 70, "b": 7}, letters, (), {"a": 1_000, "b": 80})
    assert state.work(10_000) == {"a": (73, 1_000), "b": (7, 80)}
    assert ReplayState(9_000, 0, {"a": 0}, {"a": {}}, (), {"a": 0}).work(10_000) == {"offsets": (9_000, 10_000)}

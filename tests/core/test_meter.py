"""How fast something goes on, and when it is done."""

from __future__ import annotations

from stream.replay.meter import WINDOW_S, Meter


def test_steady() -> None:
    """Events a second, and the seconds that are left at this speed."""
    meter = Meter(1000)
    assert (meter.events_per_s, meter.left_s) == (None, None)
    for second in range(6):
        meter.note(float(second), second * 100, second * 30)
    assert meter.events_per_s == 30
    assert meter.left_s == 5


def test_nothing_is_said_too_early_or_at_a_standstill() -> None:
    """A first second must pass; at a standstill there is no end in sight."""
    meter = Meter(1000)
    meter.note(0.0, 10, 10)
    meter.note(0.5, 20, 20)
    assert (meter.events_per_s, meter.left_s) == (None, None)
    meter.note(20.0, 20, 20)
    meter.note(22.0, 20, 20)
    assert (meter.events_per_s, meter.left_s) == (0, None)


def test_only_the_last_seconds_count() -> None:
    """A slow beginning is forgotten."""
    meter = Meter(10_000)
    for second in range(100):
        meter.note(float(second), second, second)
    for second in range(100, 100 + int(WINDOW_S) + 1):
        meter.note(float(second), second * 10, second * 10)
    assert meter.events_per_s == 10

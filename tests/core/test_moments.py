"""Moments as people write them: times and durations that commands take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.moments import format_time, parse_duration, parse_moment, parse_time

TEN = 1_795_514_400_000
"""2026-11-24T10:00:00Z."""
HOUR, DAY = 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T10:00:00Z", TEN),
        ("2026-11-24T10:00:00.000", TEN),
        ("2026-11-24T10:00:00", TEN),
        ("2026-11-24t10:00:00z", TEN),
        ("2026-11-24 10:00:00+00:00", TEN),
        (" 2026-11-24T11:00:00.000+01:00 ", TEN),
        ("2026-11-24T11:00:00+0100", TEN),
        ("2026-11-24T11:00:00+01", TEN),
        ("2026-11-24T04:30:00-05:30", TEN),
        ("2026-11-24T10:00", TEN),
        ("2026-11-24", TEN - 10 * HOUR),
        ("2026-11-24T10:00:00.250Z", TEN + 250),
        ("2026-11-24T10:00:00.0001Z", TEN + 1),
        ("2016-12-31T23:59:60Z", parse_time("2017-01-01T00:00:00Z")),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_times(text: str, expected: int) -> None:
    """RFC 3339, the form of kafka-consumer-groups, and what people leave out; sub-milliseconds are rounded up."""
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT2H30M", 150 * 60_000),
        ("P1D", DAY),
        ("P1DT12H", 36 * HOUR),
        ("P2W", 14 * DAY),
        ("pt0.5s", 500),
        ("PT0S", 0),
        ("PT90M", 90 * 60_000),
        ("PT1.0001S", 1001),
    ],
)
def test_durations(text: str, expected: int) -> None:
    """Weeks, days, hours, minutes, seconds and fractions of them."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "10:00", "2026-13-01", "2026-02-30T00:00Z", "2026-11-24T10:00:00+99:00", "24.11.2026"]
)
def test_what_is_no_time_is_told_with_the_accepted_forms(text: str) -> None:
    """The message shows how a time is written."""
    with pytest.raises(ValueError, match=r"Accepted are: 2026-11-24T10:00:00Z"):
        parse_time(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "2h", "PT2H30", "-PT2H", "P1W2D", "PT1.S"])
def test_what_is_no_duration_is_told_with_the_accepted_forms(text: str) -> None:
    """The message shows how a duration is written."""
    with pytest.raises(ValueError, match="Accepted are: PT2H30M"):
        parse_duration(text)


def test_months_and_years_have_no_length() -> None:
    """They are refused with what to write instead."""
    for text in ("P1M", "P1Y", "P1Y2M3DT4H"):
        with pytest.raises(ValueError, match="Write days or weeks"):
            parse_duration(text)


def test_a_moment_is_a_time_or_a_duration_back_from_now() -> None:
    """What begins with P counts back from now, and never to before 1970."""
    assert parse_moment("PT1H", TEN) == TEN - HOUR
    assert parse_moment("2026-11-24T10:00:00Z", 0) == TEN
    assert parse_moment("P99999999999999999999D", TEN) == 0


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_read_as_it_was_written(ms: int) -> None:
    """What `format_time` writes, `parse_time` reads."""
    assert parse_time(format_time(ms)) == ms
    assert format_time(ms)[:19] == datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]

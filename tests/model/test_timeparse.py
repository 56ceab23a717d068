"""Moments as people write them: times and durations that commands take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.model.timeparse import (
    LAST_MS,
    format_time,
    format_time_ms,
    format_wall,
    parse_duration,
    parse_duration_ms,
    parse_moment,
    parse_time,
)

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
        ("PT1,5S", 1500),
        ("PT0.5H", 30 * 60_000),
        ("P1.5D", 36 * HOUR),
        ("P1DT2H", 26 * HOUR),
        ("500ms", 500),
        ("0.5ms", 1),
        ("5m", 300_000),
        ("1h30m", 90 * 60_000),
        ("1d2h3m4.5s6ms", DAY + 2 * HOUR + 184_506),
        ("1m1ms", 60_001),
    ],
)
def test_durations(text: str, expected: int) -> None:
    """Numbers with units and ISO 8601, combined from the largest unit to the smallest."""
    assert parse_duration_ms(text) == expected
    assert parse_duration(text) == pytest.approx(expected / 1000, abs=0.001)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "10:00", "2026-13-01", "2026-02-30T00:00Z", "2026-11-24T10:00:00+99:00", "24.11.2026"]
)
def test_what_is_no_time_is_told_with_the_accepted_forms(text: str) -> None:
    """The message shows how a time is written."""
    with pytest.raises(ValueError, match=r"Accepted are: 2026-11-24T10:00:00Z"):
        parse_time(text)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "PT2H30", "-PT2H", "P1W2D", "PT1.S", "30", "5M", "30m1h", "1h 30m", "1h1h", "٣s"]
)
def test_what_is_no_duration_is_told_with_the_accepted_forms(text: str) -> None:
    """The message shows how a duration is written."""
    with pytest.raises(ValueError, match="Accepted are: 5m, 1h30m"):
        parse_duration_ms(text)


def test_months_and_years_have_no_length() -> None:
    """They are refused with what to write instead."""
    for text in ("P1M", "P1Y", "P1Y2M3DT4H"):
        with pytest.raises(ValueError, match="Write days or weeks"):
            parse_duration(text)
        with pytest.raises(ValueError, match="Write days or weeks"):
            parse_moment(text, TEN)


def test_a_moment_is_a_time_or_a_duration_back_from_now() -> None:
    """A duration counts back from now, and never to before 1970."""
    assert parse_moment(" PT1H ", TEN) == parse_moment("1h", TEN) == TEN - HOUR
    assert parse_moment("2026-11-24T10:00:00Z", 0) == TEN
    assert parse_moment("P99999999999999999999D", TEN) == 0


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_read_as_it_was_written(ms: int) -> None:
    """What `format_time` writes, `parse_time` reads."""
    assert parse_time(format_time(ms)) == ms
    assert format_time(ms)[:19] == datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (LAST_MS, "9999-12-31T23:59:59.999Z"),
        (LAST_MS + 1, "+10000-01-01T00:00:00Z"),
        (-62_135_596_800_001, "+0000-12-31T23:59:59.999Z"),
        (-62_167_219_200_001, "-0001-12-31T23:59:59.999Z"),
        (2**63 - 1, "+292278994-08-17T07:12:55.807Z"),
        (-(2**63), "-292275055-05-16T16:47:04.192Z"),
    ],
)
def test_years_beyond_four_digits_have_a_sign(ms: int, text: str) -> None:
    """Kafka's timestamps reach 292 million years; ISO 8601 writes such years with a sign, as Java does."""
    assert format_time(ms) == text


@given(st.integers(-(10**30), 10**30))
def test_every_number_is_a_time(ms: int) -> None:
    """No timestamp, whoever chose it, breaks the formatter."""
    assert format_time(ms).endswith("Z")
    assert len(format_time_ms(ms)) >= len("2026-11-24T10:00:00.000Z")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_clock_is_a_time(seconds: float) -> None:
    """Neither does a time in seconds."""
    assert format_wall(seconds).endswith("Z")

"""Durations and sizes as text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_support import MINIMAL, load, problems

from stream.model.timeparse import parse_duration
from stream.settings.units import format_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("500ms", 0.5), ("10s", 10.0), ("1.5s", 1.5), ("5m", 300.0), ("4h", 14_400.0), ("30d", 2_592_000.0)),
        *(("1h30m", 5400.0), ("PT5M", 300.0), ("P1DT2H", 93_600.0), ("PT0.5S", 0.5)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Each unit counts in seconds, fractions included."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1s\n", "30m1h", "1e3s", "1S", "٣s", "inf"])
def test_other_text_is_no_duration(text: str) -> None:
    """A number without a unit, a sign, spaces or units out of order are not read as something else."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(amount=st.integers(0, 10**9), unit=st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_formatted_duration_reads_as_the_same_seconds(amount: int, unit: str) -> None:
    """Formatting and parsing are each other's inverse for every whole number of a unit."""
    seconds = parse_duration(f"{amount}{unit}")
    assert parse_duration(format_duration(seconds)) == seconds


@given(seconds=st.floats(0, 1e9))
def test_any_seconds_survive_formatting(seconds: float) -> None:
    """Formatting loses nothing of a float, however many digits it has."""
    assert parse_duration(format_duration(seconds)) == seconds


@given(text=st.text(max_size=8))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is a duration or a ValueError, never another error."""
    with suppress(ValueError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.5, "500ms"), (60.0, "1m"), (90.0, "90s"), (86_400.0, "1d"), (0.0005, "0.5ms")],
)
def test_a_duration_is_formatted_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    """People read 1m rather than 60000ms."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"), [("67108864", 67_108_864), ("64MiB", 67_108_864), ("5kB", 5_000), ("1GiB", 2**30)]
)
def test_a_size_is_bytes_or_a_number_and_a_unit(text: str, size: int) -> None:
    """Decimal and binary units are told apart."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "64 MiB", "-1", "1.5MiB", "64mib"])
def test_other_text_is_no_size(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(("value", "size"), [("67108864", 2**26), ('"64MiB"', 2**26), ('"2GiB"', 2**31)])
def test_the_file_takes_sizes_as_numbers_and_as_text(tmp_path: Path, value: str, size: int) -> None:
    """`max_open_bytes` may be written either way."""
    limits = load(tmp_path, f"{MINIMAL}\n[limits]\nmax_open_bytes = {value}").settings.limits
    assert limits.max_open_bytes == size


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("10", 'has no unit. Write "10s" for seconds; units are ms, s, m, h and d.'),
        ('"2.5"', 'has no unit. Write "2.5s" for seconds; units are ms, s, m, h and d.'),
        ('"soon"', 'is not a duration. Write a number and a unit (ms, s, m, h or d): "10s", "1h30m" or "PT10S".'),
        ("true", 'is not a duration. Write a number and a unit (ms, s, m, h or d): "10s", "1h30m" or "PT10S".'),
        ('"P1M"', 'counts in years or months, which differ in length. Write days: "30d".'),
        ('"PT1H"', "is out of range. Write a duration from 10ms to 5m."),
        ('"1h"', "is out of range. Write a duration from 10ms to 5m."),
    ],
)
def test_a_refused_duration_comes_with_its_fix(tmp_path: Path, value: str, problem: str) -> None:
    """A bare number is refused with the text to write instead."""
    toml = MINIMAL.replace("[kafka]", f"[kafka]\ncommit_interval = {value}")
    assert problems(tmp_path, toml) == [f"kafka.commit_interval: {problem}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("true", 'is not a size. Write bytes, or a unit: "64MiB".'),
        ('"64 megs"', 'is not a size. Write bytes, or a unit: "64MiB".'),
        ("10", "is out of range. Write a size from 1MiB to 64GiB."),
    ],
)
def test_a_refused_size_comes_with_its_fix(tmp_path: Path, value: str, problem: str) -> None:
    """Sizes have bounds, and the problem names them."""
    toml = f"{MINIMAL}\n[limits]\nmax_open_bytes = {value}"
    assert problems(tmp_path, toml) == [f"limits.max_open_bytes: {problem}"]

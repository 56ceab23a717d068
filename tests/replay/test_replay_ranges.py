"""The ends of a range: the words of `--from` and `--until`, and what each means in a partition."""

from __future__ import annotations

import pytest

from stream.replay.ranges import (
    AtOffset,
    AtTime,
    BeforeEnd,
    CommittedOffset,
    Earliest,
    End,
    Latest,
    PartitionFacts,
    parse_end,
    resolve,
)

NOW = 1_795_514_400_000
"""2026-11-24T10:00:00Z."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("earliest", Earliest()),
        ("Latest", Latest()),
        ("committed", CommittedOffset()),
        ("0", AtOffset(0)),
        ("1200", AtOffset(1200)),
        ("-1200", BeforeEnd(1200)),
        ("2026-11-24T09:59:59Z", AtTime(NOW - 1000)),
        ("PT2H30M", AtTime(NOW - 9_000_000)),
    ],
)
def test_every_form(text: str, expected: End) -> None:
    """Words, offsets, offsets before the end, times, and durations back from now."""
    assert parse_end(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "--5", "1.5", "P1M", "+5", "2026-11-24T25:00Z"])
def test_what_is_no_end_is_told_with_the_accepted_forms(text: str) -> None:
    """The message shows every form once."""
    with pytest.raises(ValueError, match=r"earliest, latest, committed") as caught:
        parse_end(text, NOW)
    assert str(caught.value).count("Accepted are") == 1


@pytest.mark.parametrize(
    ("end", "at_time", "offset"),
    [
        (Earliest(), None, 100),
        (Latest(), None, 500),
        (CommittedOffset(), None, 300),
        (AtOffset(50), None, 100),
        (AtOffset(101), None, 101),
        (AtOffset(900), None, 500),
        (BeforeEnd(10), None, 490),
        (BeforeEnd(1000), None, 100),
        (AtTime(NOW), 250, 250),
        (AtTime(NOW), None, 500),
    ],
)
def test_what_an_end_means(end: End, at_time: int | None, offset: int) -> None:
    """Always an offset within what the partition holds; a time after the last record is the end."""
    assert resolve(end, PartitionFacts(100, 500, 300), at_time) == offset


def test_committed_where_nothing_is_committed() -> None:
    """The group would begin at the first record, so that is where it stands."""
    assert resolve(CommittedOffset(), PartitionFacts(100, 500)) == 100

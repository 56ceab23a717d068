"""Where a reset leads, offsets as CSV, and how far a group is by its commit."""

from __future__ import annotations

import pytest

from stream.model.commit_map import CommitMap, encode, name_hash
from stream.model.committed import Committed
from stream.model.records import TopicPartition
from stream.offsets.reset import (
    Known,
    NewOffset,
    NothingToShiftError,
    Target,
    Word,
    new_offset,
    read_offsets,
    write_offsets,
)
from stream.offsets.show import progress_of

TP = TopicPartition("events", 0)
KNOWN = Known(first=10, end=100, committed=50, at_time=70)
UNKNOWN = Known(first=10, end=100, committed=None)


@pytest.mark.parametrize(
    ("word", "number", "known", "expected"),
    [
        ("earliest", 0, KNOWN, NewOffset(10)),
        ("latest", 0, KNOWN, NewOffset(100)),
        ("current", 0, KNOWN, NewOffset(50)),
        ("current", 0, UNKNOWN, NewOffset(100, "nothing is committed")),
        ("offset", 42, KNOWN, NewOffset(42)),
        ("offset", 9, KNOWN, NewOffset(10, "9 is below the first offset")),
        ("offset", 100, KNOWN, NewOffset(100)),
        ("offset", 101, KNOWN, NewOffset(100, "101 is beyond the end")),
        ("time", 0, KNOWN, NewOffset(70)),
        ("time", 0, UNKNOWN, NewOffset(100)),
        ("shift", -40, KNOWN, NewOffset(10)),
        ("shift", -41, KNOWN, NewOffset(10, "9 is below the first offset")),
        ("shift", 51, KNOWN, NewOffset(100, "101 is beyond the end")),
        ("file", 0, KNOWN, NewOffset(77)),
    ],
)
def test_where_a_reset_leads(word: Word, number: int, known: Known, expected: NewOffset) -> None:
    """Within what the partition holds; what had to be changed is said."""
    assert new_offset(Target(word, number, {TP: 77}), TP, known) == expected


def test_nothing_can_be_shifted_from_nowhere() -> None:
    """The partition is named."""
    with pytest.raises(NothingToShiftError, match=r"^events:0$"):
        new_offset(Target("shift", 1), TP, UNKNOWN)


def test_csv_is_read_as_it_is_written() -> None:
    """One group without its name, several with it; in order, whatever order they came in."""
    one = {"tray": {TopicPartition("events", 2): 7, TP: 5}}
    two = {**one, "tray.crm": {TP: 9}}
    assert list(write_offsets(one)) == ["events,0,5", "events,2,7"]
    assert list(write_offsets(two)) == ["tray,events,0,5", "tray,events,2,7", "tray.crm,events,0,9"]
    assert read_offsets(write_offsets(one)) == [("", TP, 5), ("", TopicPartition("events", 2), 7)]
    assert read_offsets(write_offsets(two))[2] == ("tray.crm", TP, 9)
    assert read_offsets(['"events", 0 ,5', "", "  "]) == [("", TP, 5)]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["topic,partition,offset"], "line 1 is not topic,partition,offset"),
        (["events,0,5", "events,0"], "line 2 is not topic,partition,offset"),
        (["events,0,-1"], "line 1 is not topic,partition,offset"),
        (["events,0,5", "events,0\r,5"], "line 2 is not CSV: new-line character"),
        (["events,0,²"], "line 1 is not topic,partition,offset"),
        (["events,0,5", "events,0,6"], "line 2 names events:0 again"),
    ],
)
def test_csv_that_is_none_is_refused(lines: list[str], told: str) -> None:
    """With the line."""
    with pytest.raises(ValueError, match=told):
        read_offsets(lines)


def committed(offset: int, **done: list[tuple[int, int]]) -> Committed:
    return Committed(
        offset, encode(CommitMap(offset, {name_hash(name): ranges for name, ranges in done.items()}), 4000)
    )


def test_what_is_left_is_known_by_the_map() -> None:
    """Per workflow; one that the map does not name has done nothing beyond the offset."""
    progress = progress_of(committed(10, orders=[(10, 15), (20, 30)], crm=[(12, 15)]), 40, ["orders", "crm", "new"])
    assert progress.map == "ours"
    assert progress.lag == 30
    assert [progress.left_of(name) for name in ("orders", "crm", "new")] == [15, 27, 30]
    assert progress.first_open == 10
    assert [progress.is_done(offset) for offset in (9, 10, 12)] == [True, False, False]


def test_the_oldest_open_offset_is_the_lowest_that_somebody_waits_for() -> None:
    """It lies beyond the committed one where what waited there is gone from the settings."""
    commit = committed(10, orders=[(10, 15), (15, 18), (20, 30)], crm=[(10, 17)])
    assert progress_of(commit, 40, ["orders", "crm"]).first_open == 17
    assert progress_of(commit, 40, ["orders"]).first_open == 18
    assert progress_of(commit, 40, ["orders"]).is_done(17)
    assert progress_of(committed(10, orders=[(10, 40)]), 40, ["orders"]).first_open == 40


def test_metadata_of_others_is_ignored() -> None:
    """As a run ignores it; and no map is none."""
    assert progress_of(Committed(10, "theirs"), 40, ["orders"]).map == "ignored"
    none = progress_of(Committed(10), 40, ["orders"])
    assert (none.map, none.left_of("orders"), none.first_open) == ("none", 30, 10)
    assert progress_of(Committed(50), 40, ["orders"]).lag == 0

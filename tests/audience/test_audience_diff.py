"""Sorted runs and the comparison of two of them, against plain dicts."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.audience.diff import MemberChange, Tally, find_changes
from stream.audience.runs import MemberRow, SortedLines, as_line, conflicts, latest
from stream.model.errors import StreamError

USERS = st.text(max_size=4, alphabet=st.characters(exclude_categories=["Cs"]))
VALUES = st.sampled_from([b"true", b"1", b'"x"'])
STATES = st.dictionaries(USERS, VALUES, max_size=20)


def sorted_rows(state: dict[str, bytes]) -> list[MemberRow]:
    """A state as the two sides of a comparison are given."""
    return sorted(MemberRow(orjson.dumps(user), value) for user, value in state.items())


def changes(
    wanted: dict[str, bytes], known: dict[str, bytes], removes: bool = True
) -> tuple[list[MemberChange], Tally]:
    """Every change, and the counts."""
    tally = Tally()
    return list(find_changes(sorted_rows(wanted), sorted_rows(known), tally, removes=removes)), tally


def applied(known: dict[str, bytes], found: list[MemberChange]) -> dict[str, bytes]:
    """The state after these changes."""
    after = dict(known)
    for change in found:
        user = orjson.loads(change.user)
        if change.state is None:
            del after[user]
        else:
            after[user] = change.state
    return after


@given(st.lists(st.binary(max_size=8).map(lambda raw: raw.hex().encode() + b"\n")), st.integers(1, 200))
def test_lines_come_back_sorted_from_however_many_runs(lines: list[bytes], run_bytes: int) -> None:
    """Every line once, also when runs are merged into runs, and again at a second reading."""
    with SortedLines(run_bytes, max_runs=2) as found:
        for line in lines:
            found.add(line)
        assert list(found) == sorted(lines)
        assert list(found) == sorted(lines)


@given(st.lists(st.tuples(USERS, VALUES)))
def test_of_each_user_the_last_line_counts(rows: list[tuple[str, bytes]]) -> None:
    """As a dict would keep it, whatever characters an id is made of."""
    with SortedLines(run_bytes=100) as lines:
        for order, (user, value) in enumerate(rows):
            lines.add(as_line(MemberRow(orjson.dumps(user), value), order))
        assert {orjson.loads(row.user): row.value for row in latest(lines)} == dict(rows)


def test_conflicts_name_both_lines() -> None:
    """The same value twice is none."""
    rows = [(b'"a"', b"1", 2), (b'"a"', b"1", 3), (b'"a"', b"2", 7), (b'"b"', b"2", 4)]
    lines = sorted(as_line(MemberRow(user, value), order) for user, value, order in rows)
    assert list(conflicts(lines)) == [(3, 7)]


def test_a_directory_without_room_is_told(tmp_path: Path) -> None:
    """Temporary files that cannot be written end the sync with the way out."""
    lines = SortedLines(run_bytes=1, directory=tmp_path / "missing")
    with pytest.raises(StreamError, match=r"cannot be written to .*missing .*Set TMPDIR"):
        lines.add(b"a\n")


@given(STATES, STATES)
def test_the_changes_lead_from_the_known_to_the_wanted(wanted: dict[str, bytes], known: dict[str, bytes]) -> None:
    """Nobody is told what he is already, and each user has one change at most."""
    found, tally = changes(wanted, known)
    assert applied(known, found) == wanted
    assert len({change.user for change in found}) == len(found) == tally.changes
    assert [one for one in found if known.get(orjson.loads(one.user), b"false") == one.value] == []
    assert tally.wanted == len(wanted)
    assert tally.removed == len(known.keys() - wanted.keys())


@given(STATES, STATES)
def test_a_trait_leaves_those_alone_who_are_not_in_the_file(wanted: dict[str, bytes], known: dict[str, bytes]) -> None:
    """Their value stays known."""
    found, tally = changes(wanted, known, removes=False)
    assert applied(known, found) == known | wanted
    assert tally.left_alone == len(known.keys() - wanted.keys())
    assert tally.removed == 0


@given(STATES, STATES, st.data())
def test_a_sync_that_dies_anywhere_and_is_repeated_gives_what_one_gives(
    wanted: dict[str, bytes], known: dict[str, bytes], data: st.DataObject
) -> None:
    """What was written before is not written again, nothing is left out, and the order stays."""
    whole, _ = changes(wanted, known)
    written = whole[: data.draw(st.integers(0, len(whole)))]
    rest, _ = changes(wanted, applied(known, written))
    assert written + rest == whole

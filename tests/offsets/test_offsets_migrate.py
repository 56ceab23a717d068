"""Offsets and maps carried between the layouts: there and back nothing is claimed that is not done."""

from __future__ import annotations

from assertions import every, filled
from hypothesis import given
from hypothesis import strategies as st

from stream.model.commit_map import CommitMap, decode, encode, name_hash, ranges_without
from stream.model.committed import Committed, is_newer, to_shared, to_workflow

LIMIT = 100_000
NAMES = ("orders", "privacy", "audit")


def done_below(commit: Committed, name: str, end: int) -> set[int]:
    """Every offset below `end` that a commit has as done for a workflow."""
    done = set(range(commit.offset))
    if commit.metadata:
        ranges = decode(commit.metadata, commit.offset).done.get(name_hash(name), ())
        done |= {offset for low, high in ranges for offset in range(low, high)}
    return {offset for offset in done if offset < end}


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.integers(0, 40)), min_size=1))
def test_there_and_back(missing: dict[str, set[int]]) -> None:
    """What each workflow has done is the same in the shared group and in the groups of its own."""
    end = 41
    base = min([offset for offsets in missing.values() for offset in offsets], default=end)
    done = {name_hash(name): ranges_without(offsets, base, end) for name, offsets in missing.items()}
    shared = Committed(base, encode(CommitMap(base, done), LIMIT))
    own = {name: to_workflow(shared, name, LIMIT) for name in missing}
    for name, offsets in filled(missing.items()):
        assert done_below(own[name], name, end) == set(range(end)) - offsets
        assert own[name].offset == min(offsets, default=end)
    again = to_shared(own, LIMIT)
    assert again.offset == base
    assert every(done_below(again, name, end) == set(range(end)) - offsets for name, offsets in missing.items())


def test_a_workflow_unknown_to_the_map_has_done_nothing_beyond_the_offset() -> None:
    """A new workflow's group starts where the shared group stood."""
    shared = Committed(7, encode(CommitMap(7, {name_hash("orders"): [(8, 12)]}), LIMIT))
    assert to_workflow(shared, "new", LIMIT) == Committed(7)
    assert to_workflow(Committed(7, "of another tool"), "orders", LIMIT) == Committed(7)


def test_newer() -> None:
    """A layout is newer when it is ahead in any partition, or has one that the other does not have."""
    assert not is_newer({}, {})
    assert not is_newer({0: Committed(5)}, {0: Committed(5)})
    assert is_newer({0: Committed(6)}, {0: Committed(5)})
    assert is_newer({0: Committed(5), 1: Committed(0)}, {0: Committed(5)})

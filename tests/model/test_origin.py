"""With which others a group began, as commits say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.model.commit_map import START_MARK, CommitMap, decode, encode
from stream.model.origin import is_named, origin_of, split_origin

GROUPS = st.lists(st.text(min_size=1), max_size=12)


@given(GROUPS, st.text(min_size=1))
def test_exactly_the_groups_that_it_began_with_are_named(groups: list[str], other: str) -> None:
    """In whatever order the settings have them."""
    origin = origin_of(groups)
    assert origin == origin_of(reversed(groups))
    assert [group for group in groups if not is_named(origin, group)] == []
    assert is_named(origin, other) == (other in groups)


@pytest.mark.parametrize("groups", [[], ["tray.a"], [f"tray.{number}" for number in range(10)]])
@pytest.mark.parametrize(
    "metadata",
    ["", START_MARK, f"{START_MARK}2uunggQMRSWKNVu1zzpjfQ", encode(CommitMap(7, {1: [(8, 9)]}, "id"), 4000)],
    ids=["none", "start", "start with id", "map"],
)
def test_the_rest_of_the_metadata_means_what_it_did(metadata: str, groups: list[str]) -> None:
    """For those who split it, and for those who read the map."""
    origin = origin_of(groups)
    assert split_origin(metadata + origin) == (metadata, origin)
    if metadata or origin:
        assert decode(metadata + origin, 7) == (decode(metadata, 7) if metadata else CommitMap(7))


@pytest.mark.parametrize("foreign", ["~", "a~bcd", "home~users", "~abcd ", "~abcd\n", "t3.~ab="])
def test_what_others_wrote_is_no_origin(foreign: str) -> None:
    """It names nobody."""
    assert split_origin(foreign) == (foreign, "")

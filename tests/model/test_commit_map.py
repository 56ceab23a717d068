"""The map in the commit's metadata: it comes back as it was, never claims more, and survives any damage."""

from __future__ import annotations

import base64
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.model.commit_map import (
    START_MARK,
    BadMapError,
    CommitMap,
    Range,
    clip,
    common,
    decode,
    encode,
    join,
    name_hash,
    ranges_without,
    short_hash,
    topic_id_in,
)

LIMIT = 4000


@st.composite
def maps(draw: st.DrawFn, most_ranges: int = 30) -> CommitMap:
    """A map of up to ten workflows."""
    base = draw(st.integers(0, 2**62))
    done: dict[int, list[Range]] = {}
    for workflow in draw(st.lists(st.integers(0, 2**48 - 1), max_size=10, unique=True)):
        ranges, at = [], base
        for gap, length in draw(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), max_size=most_ranges)):
            ranges.append((at + gap, at + gap + length))
            at += gap + length
        done[workflow] = ranges
    return CommitMap(base, done)


def members(commit_map: CommitMap) -> set[tuple[int, int]]:
    """Every (workflow, offset) that a map claims."""
    return {(w, offset) for w, ranges in commit_map.done.items() for low, high in ranges for offset in range(low, high)}


@given(maps())
def test_a_map_comes_back_as_it_was(commit_map: CommitMap) -> None:
    """Encoding and decoding change nothing but workflows that have done nothing, which are left out."""
    text = encode(commit_map, 1_000_000)
    found = decode(text, commit_map.base) if text else CommitMap(commit_map.base)
    assert found.done == {workflow: ranges for workflow, ranges in commit_map.done.items() if ranges}


@settings(max_examples=60)
@given(maps(most_ranges=60), st.integers(0, 600))
def test_a_map_that_does_not_fit_is_cut_short(commit_map: CommitMap, limit: int) -> None:
    """What is kept fits, and claims nothing that the whole map does not."""
    text = encode(commit_map, limit)
    assert len(text) <= limit
    if text:
        assert members(decode(text, commit_map.base)) <= members(commit_map)


def test_the_longest_ranges_are_kept() -> None:
    """Of one long range among a thousand single offsets, the long one survives the cut."""
    singles = [(n * 3, n * 3 + 1) for n in range(2000)]
    commit_map = CommitMap(0, {name_hash("orders"): [*singles, (10_000, 90_000)]})
    text = encode(commit_map, 60)
    kept = decode(text, 0).done[name_hash("orders")]
    assert (10_000, 90_000) in kept
    assert encode(commit_map, 0) == ""


@pytest.mark.parametrize("limit", [100, 1000, LIMIT])
@pytest.mark.parametrize("ranges", [600, 6_000, 60_000])
@pytest.mark.parametrize("longest", [2, 40, 5_000])
def test_a_map_that_is_cut_short_uses_the_room_there_is(limit: int, ranges: int, longest: int) -> None:
    """Of scattered ranges about as many are kept as fit, and none that is shorter than one left out."""
    rng, at, done = Random(ranges + longest), 0, dict[int, list[Range]]()
    for number in range(ranges):
        start = at + rng.randint(1, 9)
        at = start + rng.randint(1, longest)
        done.setdefault(name_hash(f"w{number % 3}"), []).append((start, at))
    whole = CommitMap(0, done)
    text = encode(whole, limit)
    if len(encode(whole, 10**9)) <= limit:
        assert members(decode(text, 0)) == members(whole)
        return
    kept = {one for found in decode(text, 0).done.values() for one in found}
    left_out = {one for found in done.values() for one in found} - kept
    assert 0.85 * limit <= len(text) <= limit
    assert min(high - low for low, high in kept) >= max(high - low for low, high in left_out)


def test_a_typical_map_is_short() -> None:
    """Ten workflows, one of which is stuck, with ten thousand events done beyond it: well within the limit."""
    done = {name_hash(f"workflow-{n}"): [(1, 10_000)] for n in range(9)}
    assert len(encode(CommitMap(0, done), LIMIT)) < 100


@given(st.text(max_size=60))
def test_any_text_is_refused_or_read(text: str) -> None:
    """Foreign metadata never breaks the reader."""
    with pytest.raises(BadMapError):
        decode(text, 0)


@given(maps(most_ranges=5), st.data())
def test_damage_is_noticed(commit_map: CommitMap, data: st.DataObject) -> None:
    """A changed character, or a cut, makes the map unreadable rather than wrong."""
    text = encode(commit_map, 1_000_000)
    if not text:
        return
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from(["", "A", "z", "=", "\x00"])) + text[at + 1 :]
    with suppress(BadMapError):
        assert members(decode(damaged, commit_map.base)) == members(commit_map)


def test_a_map_of_another_offset_is_refused() -> None:
    """A map that stayed behind when the offset was reset does not count."""
    text = encode(CommitMap(5, {1: [(7, 9)]}), LIMIT)
    with pytest.raises(BadMapError, match="another offset"):
        decode(text, 6)


def test_an_empty_range_is_refused() -> None:
    """No version writes one: the rest of the map cannot be trusted."""
    text = encode(CommitMap(5, {1: [(7, 9), (12, 12)]}), LIMIT)
    with pytest.raises(BadMapError, match=r"^a range is empty$"):
        decode(text, 5)


@given(st.sets(st.integers(10, 60)), st.integers(10, 60), st.integers(10, 60))
def test_ranges_without(missing: set[int], start: int, end: int) -> None:
    """The ranges hold exactly the offsets that are not missing, and do not touch."""
    inside = {offset for offset in missing if start <= offset < end}
    ranges = ranges_without(inside, start, end)
    held = {offset for low, high in ranges for offset in range(low, high)}
    assert held == set(range(start, end)) - inside
    assert [(one, other) for one, other in pairwise(ranges) if one[1] >= other[0]] == []


def test_clip_and_join() -> None:
    """Ranges are cut at a start, and two lists become one where they meet."""
    assert clip([(1, 4), (6, 9)], 3) == [(3, 4), (6, 9)]
    assert join([(1, 4)], [(4, 6), (8, 9)]) == [(1, 6), (8, 9)]
    assert join([(1, 3)], [(4, 6)]) == [(1, 3), (4, 6)]
    assert join([], [(4, 6)]) == [(4, 6)]


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_what_lies_in_both(first: set[int], second: set[int]) -> None:
    """As with sets of offsets."""
    ranges = common(ranges_without(set(range(61)) - first, 0, 61), ranges_without(set(range(61)) - second, 0, 61))
    assert {offset for low, high in ranges for offset in range(low, high)} == first & second
    assert [(low, high) for low, high in ranges if low >= high] == []


COLLISIONS = [("plumless", "buckeroo"), ("codding", "gnu"), ("workflow-75be4d1e", "workflow-4baa5d72")]


def old_map(base: int, *groups: tuple[list[str], list[Range]]) -> str:
    """The text of a map as versions before the topic id wrote it; every number below 128."""
    body = bytearray([base, len(groups)])
    for names, ranges in groups:
        body.append(len(names))
        for name in names:
            body += zlib.crc32(name.encode()).to_bytes(4, "big")
        body.append(len(ranges))
        at = base
        for low, high in ranges:
            body += bytes([low - at, high - low])
            at = high
    return "t1." + base64.b64encode(zlib.crc32(body).to_bytes(4, "big") + body).decode()


def test_maps_of_earlier_versions_are_read() -> None:
    """They have no topic id, and name workflows by 32 bits."""
    found = decode(old_map(5, (["orders", "privacy"], [(7, 9)]), (["other"], [(6, 8)])), 5)
    assert found.topic_id == ""
    assert [list(found.of(name_hash(name))) for name in ("orders", "privacy", "none")] == [[(7, 9)], [(7, 9)], []]
    assert list(found.without([name_hash("orders"), name_hash("privacy"), None])) == [[(6, 8)]]


@pytest.mark.parametrize(("one", "other"), COLLISIONS)
def test_a_map_that_names_a_hash_twice_is_refused(one: str, other: str) -> None:
    """Which of the two workflows is done with which offsets cannot be told, in one group or in two."""
    for groups in ([([one, other], [(7, 9)])], [([one], [(7, 9)]), ([other], [(6, 8)])]):
        with pytest.raises(BadMapError, match="twice"):
            decode(old_map(5, *groups), 5)


@pytest.mark.parametrize(("one", "other"), COLLISIONS)
def test_a_new_workflow_is_not_taken_for_a_removed_one(one: str, other: str) -> None:
    """Their names have the same 32-bit hash; the map's own is longer."""
    assert short_hash(one) == short_hash(other)
    found = decode(encode(CommitMap(5, {name_hash(one): [(7, 9)]}), LIMIT), 5)
    assert list(found.of(name_hash(one))) == [(7, 9)]
    assert list(found.of(name_hash(other))) == []


@given(maps(most_ranges=5), st.integers(0, 200))
def test_the_topic_id_is_kept(commit_map: CommitMap, limit: int) -> None:
    """Also without any range; of a map that is cut short it is the last thing to go."""
    with_id = replace(commit_map, topic_id="2uunggQMRSWKNVu1zzpjfQ")
    text = encode(with_id, 60 + limit)
    assert decode(text, commit_map.base).topic_id == with_id.topic_id
    assert topic_id_in(text, commit_map.base) == with_id.topic_id


@pytest.mark.parametrize(
    ("text", "topic_id"),
    [
        (f"{START_MARK}2uunggQMRSWKNVu1zzpjfQ", "2uunggQMRSWKNVu1zzpjfQ"),
        (START_MARK, ""),
        ("", ""),
        ("offset of another client", ""),
        (encode(CommitMap(8, {}, "2uunggQMRSWKNVu1zzpjfQ"), LIMIT), ""),
        (encode(CommitMap(7, {1: [(9, 10)]}), LIMIT), ""),
    ],
    ids=["start", "start without", "none", "foreign", "of another offset", "map without"],
)
def test_a_commit_names_its_topic_or_none(text: str, topic_id: str) -> None:
    """What cannot be read, or belongs to another offset, names none."""
    assert topic_id_in(text, 7) == topic_id

"""What is done beyond the committed offset, as a short text in the commit's metadata.

A map only claims what is done: it may be cut short, dropped or ignored at any time, and then events are sent again.
A workflow is known by a hash of its name, never by its position; one that is not in the map has done nothing in it.
Offsets mean records of one topic id: a topic that was deleted and created again has another.

Text: `t3.` and base64 of: CRC-32 of the rest (4 bytes), the length of the topic id and its characters, the base
offset, the number of groups, and per group the number of workflows, their hashes (6 bytes each), the number of ranges,
and per range the gap from the last one's end and the length. Numbers are LEB128 varints; workflows that are done with
the same offsets share a group. `t4.` is the same, deflated. `t1.` and `t2.`, which earlier versions wrote, have no
topic id, and hashes of 4 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from stream.model.origin import split_origin

Range = tuple[int, int]
"""Offsets [start, end)."""

PLAIN, DEFLATED = "t3.", "t4."
OLD_PLAIN, OLD_DEFLATED = "t1.", "t2."
_HASH_BYTES, _OLD_HASH_BYTES = 6, 4
START_MARK = "s1."
"""Metadata of a resolved start, until the group's first commit there: this and the topic id. It says that nothing
beyond it is done."""
_START = re.compile(re.escape(START_MARK) + r"[A-Za-z0-9+/_-]{0,30}")
_MOST_RANGES_A_CHARACTER = 1.25
"""More never fit but in patterns that real events do not make."""
_NO_ROOM = 0.02
_MOST_GUESSES = 6
_MAX_DECODED = 1_000_000
_MAX_TOPIC_ID = 100
_WORTH_DEFLATING = 48


def short_hash(name: str) -> int:
    """32 bits of a workflow's name. The workflows of a deployment differ in them."""
    return zlib.crc32(name.encode())


def name_hash(name: str) -> int:
    """48 bits that stand for a workflow's name in a map, `short_hash` the lower ones.

    The others tell a workflow from a removed one that earlier commits still name.
    """
    more = hashlib.sha256(name.encode()).digest()[: _HASH_BYTES - _OLD_HASH_BYTES]
    return int.from_bytes(more, "big") << 32 | short_hash(name)


@dataclass(frozen=True)
class CommitMap:
    """Done ranges by workflow hash: sorted, apart from each other, all at or above `base`."""

    base: int
    done: Mapping[int, Sequence[Range]] = field(default_factory=dict)
    topic_id: str = ""
    """Of the topic whose offsets these are; empty: unknown."""
    is_old: bool = field(default=False, compare=False)
    """Read from the form of earlier versions: workflows are known by `short_hash` alone."""

    def of(self, workflow: int) -> Sequence[Range]:
        """Done ranges of the workflow with this `name_hash`; none when the map does not name it."""
        return self.done.get(workflow & 0xFFFFFFFF if self.is_old else workflow, ())

    def without(self, workflows: Iterable[int | None]) -> Iterator[Sequence[Range]]:
        """Done ranges of workflows that are in the map but not among these."""
        known = {w & 0xFFFFFFFF if self.is_old else w for w in workflows if w is not None}
        return (ranges for workflow, ranges in self.done.items() if workflow not in known)


MapState = Literal["ours", "none", "ignored"]
"""Whether a commit says what is done beyond it; `ignored`: it says something that is not ours, or damaged."""


class BadMapError(ValueError):
    """The metadata is not a commit map, or it is damaged; ignore it."""


def encode(commit_map: CommitMap, max_bytes: int) -> str:
    """A short text; ranges with the fewest offsets are left out until it has at most `max_bytes` characters.

    What it costs is bounded by `max_bytes` and a look at each range, whatever does not fit.
    """
    groups = _groups(commit_map)
    count, length = sum(len(group.ranges) for group in groups), 0
    if count <= _MOST_RANGES_A_CHARACTER * max_bytes:
        text = _encode(commit_map, groups)
        if len(text) <= max_bytes:
            return text
        length = len(text)
    bare = _encode(commit_map, [])
    if len(bare) > max_bytes:
        return ""
    return _fill(commit_map, groups, bare, max_bytes, (count, length))


def _fill(commit_map: CommitMap, groups: Sequence[_Group], best: str, max_bytes: int, whole: tuple[int, int]) -> str:
    """Add to `best`, which has no range, about as many of the longest ranges as fit.

    How many is guessed from the lengths of what was tried before, at first from that of the `whole` (ranges, text).
    """
    too_many, too_long = whole
    longest = _longest(groups, min(too_many, int(_MOST_RANGES_A_CHARACTER * max_bytes)))
    fitting = 0
    for _ in range(_MOST_GUESSES):
        room = max_bytes - len(best)
        if too_long:
            guess = fitting + (too_many - fitting) * room // (too_long - len(best))
        else:
            guess = fitting * max_bytes // len(best) if fitting else max_bytes // 2
        guess = max(fitting + 1, min(guess, too_many - 1, len(longest)))
        if guess >= too_many or fitting >= len(longest) or room < _NO_ROOM * max_bytes:
            break
        text = _encode(commit_map, _regroup(groups, longest[:guess]))
        if len(text) <= max_bytes:
            fitting, best = guess, text
        else:
            too_many, too_long = guess, len(text)
    return best


def decode(text: str, base: int) -> CommitMap:
    """The map in a commit at offset `base`.

    Raises:
        BadMapError: it is foreign, damaged, of an unknown version, or belongs to another offset.
    """
    text, origin = split_origin(text)
    if origin and not text:
        return CommitMap(base)
    if _START.fullmatch(text):
        return CommitMap(base, topic_id=text.removeprefix(START_MARK))
    try:
        raw = base64.b64decode(text[3:], validate=True)
        if text.startswith((DEFLATED, OLD_DEFLATED)):
            raw = _inflate(raw)
        elif not text.startswith((PLAIN, OLD_PLAIN)):
            raise BadMapError("of an unknown form")
        found = _read(raw, is_old=text.startswith((OLD_PLAIN, OLD_DEFLATED)))
    except (binascii.Error, zlib.error, ValueError, IndexError) as error:
        raise BadMapError(str(error)) from error
    if found.base != base:
        raise BadMapError("of another offset")
    return found


def read_map(text: str, base: int) -> tuple[MapState, CommitMap]:
    """What a commit's metadata say, and the map, which is empty where they have none of ours."""
    try:
        found = decode(text, base) if text else CommitMap(base)
    except BadMapError:
        return "ignored", CommitMap(base)
    return "ours" if found.done else "none", found


def topic_id_in(text: str, base: int) -> str:
    """The topic id that a commit's metadata name; empty when they name none, or cannot be read."""
    return read_map(text, base)[1].topic_id


def ranges_without(missing: Iterable[int], start: int, end: int) -> list[Range]:
    """The ranges of [start, end) that hold none of the offsets in `missing` (which need not be sorted)."""
    ranges = []
    at = start
    for offset in sorted(missing):
        if offset > at:
            ranges.append((at, offset))
        at = offset + 1
    if end > at:
        ranges.append((at, end))
    return ranges


def covers(ranges: list[Range], offset: int) -> bool:
    """Whether one of the ranges holds the offset. Call it in order of offsets: ranges that were passed are dropped."""
    while ranges and ranges[0][1] <= offset:
        ranges.pop(0)
    return bool(ranges) and ranges[0][0] <= offset


def clip(ranges: Iterable[Range], start: int) -> list[Range]:
    """The parts of the ranges at or above `start`."""
    return [(max(low, start), high) for low, high in ranges if high > start]


def join(first: list[Range], second: list[Range]) -> list[Range]:
    """Two lists of ranges, the second all above the first, as one."""
    if first and second and first[-1][1] == second[0][0]:
        return [*first[:-1], (first[-1][0], second[0][1]), *second[1:]]
    return first + second


def common(first: Sequence[Range], second: Sequence[Range]) -> list[Range]:
    """What lies in both of two lists of ranges."""
    found, left, right = [], 0, 0
    while left < len(first) and right < len(second):
        low, high = max(first[left][0], second[right][0]), min(first[left][1], second[right][1])
        if low < high:
            found.append((low, high))
        if first[left][1] < second[right][1]:
            left += 1
        else:
            right += 1
    return found


class _Group(NamedTuple):
    """Workflows that are done with the same ranges."""

    ranges: Sequence[Range]
    workflows: Sequence[int]


def _groups(commit_map: CommitMap) -> list[_Group]:
    groups: dict[tuple[Range, ...], list[int]] = {}
    for workflow, ranges in sorted(commit_map.done.items()):
        if ranges:
            groups.setdefault(tuple(ranges), []).append(workflow)
    return [_Group(ranges, workflows) for ranges, workflows in groups.items()]


def _longest(groups: Sequence[_Group], count: int) -> list[tuple[int, Range]]:
    """(number of its group, range) of the longest ranges, the longest first, then in the order of offsets."""
    lengths = sorted([end - start for group in groups for start, end in group.ranges], reverse=True)
    least = lengths[count - 1]
    long = [(number, one) for number, group in enumerate(groups) for one in group.ranges if one[1] - one[0] >= least]
    long.sort(key=lambda entry: (entry[1][0] - entry[1][1], entry[1][0]))
    return long[:count]


def _regroup(groups: Sequence[_Group], chosen: Iterable[tuple[int, Range]]) -> list[_Group]:
    ranges_of: dict[int, list[Range]] = {}
    for number, one in chosen:
        ranges_of.setdefault(number, []).append(one)
    return [_Group(sorted(ranges), groups[number].workflows) for number, ranges in sorted(ranges_of.items())]


def _encode(commit_map: CommitMap, groups: Sequence[_Group]) -> str:
    body = _write(commit_map, groups)
    if not body:
        return ""
    raw = zlib.crc32(body).to_bytes(4, "big") + body
    deflated = zlib.compress(raw, 6) if len(raw) > _WORTH_DEFLATING else raw
    form, shortest = (DEFLATED, deflated) if len(deflated) < len(raw) else (PLAIN, raw)
    return form + base64.b64encode(shortest).decode("ascii")


def _write(commit_map: CommitMap, groups: Sequence[_Group]) -> bytes:
    if not groups and not commit_map.topic_id:
        return b""
    out = bytearray()
    topic_id = commit_map.topic_id.encode()
    _put(out, len(topic_id))
    out += topic_id
    _put(out, commit_map.base)
    _put(out, len(groups))
    for group in groups:
        _put(out, len(group.workflows))
        for workflow in group.workflows:
            out += workflow.to_bytes(_HASH_BYTES, "big")
        _put(out, len(group.ranges))
        _put_ranges(out, group.ranges, commit_map.base)
    return bytes(out)


def _put_ranges(out: bytearray, ranges: Iterable[Range], at: int) -> None:
    for start, end in ranges:
        gap, length = start - at, end - start
        if gap < 0x80 and length < 0x80:  # most
            out.append(gap)
            out.append(length)
        else:
            _put(out, gap)
            _put(out, length)
        at = end


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _inflate(raw: bytes) -> bytes:
    inflater = zlib.decompressobj()
    whole = inflater.decompress(raw, _MAX_DECODED)
    if not inflater.eof:
        raise BadMapError("too long")
    return whole


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def number(self) -> int:
        shift = number = 0
        while True:
            byte = self._raw[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number
            if shift > 63:
                raise BadMapError("a number is too long")

    def bytes(self, count: int) -> bytes:
        found = self._raw[self._at : self._at + count]
        self._at += count
        if len(found) < count:
            raise BadMapError("it ends early")
        return found

    def end(self) -> None:
        if self._at != len(self._raw):
            raise BadMapError("it continues after its end")


def _read(raw: bytes, *, is_old: bool) -> CommitMap:
    body = raw[4:]
    if len(raw) < 4 or zlib.crc32(body) != int.from_bytes(raw[:4], "big"):
        raise BadMapError("its checksum is wrong")
    reader = _Reader(body)
    topic_id = "" if is_old else _read_topic_id(reader)
    base = reader.number()
    done: dict[int, Sequence[Range]] = {}
    for _ in range(reader.number()):
        workflows = [_read_hash(reader, is_old) for _ in range(reader.number())]
        ranges = _read_ranges(reader, base)
        if len(set(workflows)) < len(workflows) or not done.keys().isdisjoint(workflows):
            raise BadMapError("it names a workflow twice")
        done |= dict.fromkeys(workflows, ranges)
    reader.end()
    return CommitMap(base, done, topic_id, is_old)


def _read_topic_id(reader: _Reader) -> str:
    if (length := reader.number()) > _MAX_TOPIC_ID:
        raise BadMapError("its topic id is too long")
    return reader.bytes(length).decode("ascii")


def _read_hash(reader: _Reader, is_old: bool) -> int:
    return int.from_bytes(reader.bytes(_OLD_HASH_BYTES if is_old else _HASH_BYTES), "big")


def _read_ranges(reader: _Reader, base: int) -> list[Range]:
    ranges = []
    at = base
    for _ in range(reader.number()):
        start = at + reader.number()
        at = start + reader.number()
        if at <= start:
            raise BadMapError("a range is empty")
        ranges.append((start, at))
    return ranges

"""The delete notification: what a delete event lacks is added, every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from stream.model.timeparse import LAST_MS, format_time_ms, is_rfc3339

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_SPACE = rb"[ \t\n\r]*+"
_SCALAR_TEXT = _STRING + rb"|[^ \t\n\r,\"{}\[\]]++"
_KEY = re.compile(_SPACE + rb",?+" + _SPACE + rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE)
_NEEDED = ("type", "userId", "userID", "timestamp", "receivedAt", "sentAt", "originalTimestamp")
_MAX_SCANNED = 1_000
"""Members that are looked at one by one."""


def _spelled(name: str) -> bytes:
    """A pattern of the name as JSON may spell it: any character may be an escape."""
    units = name.encode("utf-16-be").hex()
    if len(units) != 4 * len(name):
        return re.escape(name.encode())  # beyond the basic plane: as it is
    escapes = (units[at : at + 4] for at in range(0, len(units), 4))
    spellings = zip(map(re.escape, name), escapes, strict=True)
    return "".join(rf"(?:{char}|\\u(?i:{unit}))" for char, unit in spellings).encode()


def _nested(levels: int) -> bytes:
    """A pattern of a value with at most so many brackets in one another."""
    inner = rb"[^\"{}\[\]]++|" + _STRING
    for _ in range(levels):
        inner = rb"[^\"{}\[\]]++|" + _STRING + rb"|[{\[](?:" + inner + rb")*[}\]]"
    return inner


# Repeated groups are greedy, not possessive: before 3.11.5 a possessive group of alternatives may match wrongly.
_SHALLOW = rb"[{\[](?:" + _nested(2) + rb")*[}\]]"
_VALUE = re.compile(_SCALAR_TEXT + rb"|" + _SHALLOW)
_BRACKET = re.compile(rb"(?:[^\"{}\[\]]++|" + _STRING + rb"|" + _SHALLOW + rb")*([{}\[\]])")


def others_than(names: Sequence[str]) -> re.Pattern[bytes]:
    """Members of other names, as many as follow one another and are not deeply nested: passed over in one step."""
    return re.compile(
        rb"(?:" + _SPACE + rb",?+" + _SPACE + rb'(?!"(?:' + b"|".join(map(_spelled, names)) + rb')")'
        rb"" + _STRING + _SPACE + rb":" + _SPACE + rb"(?:" + _SCALAR_TEXT + rb"|" + _SHALLOW + rb"))+"
    )


_OTHERS = others_than(_NEEDED)
_NO_TIME = (b"null", b'""')


class JsonMember(NamedTuple):
    """A member of a JSON object, and where its value's bytes lie."""

    name: str
    start: int
    end: int


def top_level_members(body: bytes, others: re.Pattern[bytes] | None = None) -> Iterator[JsonMember]:
    """The members of the JSON object `body`, in order, repeated names included. `body` must be valid JSON.

    Members that match `others` may be left out.
    """
    position = body.index(b"{") + 1
    while True:
        passed = others and others.match(body, position)
        position = passed.end() if passed else position
        key = _KEY.match(body, position)
        if key is None:
            return
        start = key.end()
        position = _value_end(body, start)
        yield JsonMember(json.loads(key[1].decode("utf-8")), start, position)


def delete_notification(body: bytes, timestamp_ms: int) -> bytes:
    """`body` with `type`, `userId`, `userID` and `timestamp`; what is missing or null is filled in.

    The id comes from the other spelling. The timestamp comes from `receivedAt`, else from the record's
    `timestamp_ms`; where RFC 3339 cannot express that, from `sentAt` or `originalTimestamp`, and as the last
    resort it is the nearest time that can be expressed.

    Null is replaced in place, a missing member added before the closing brace, so the bytes are the same where
    nothing is missing. Of repeated names the last one counts, as it does for parsers. What there is no value
    for stays as it is, and so does an event that would take too long to look through: one that has these names or
    deeply nested members a thousand times. Source: Segment's Tray page (`userID`) and the delete event on the wire
    (`userId`).
    """
    scanned = list(islice(top_level_members(body, _OTHERS), _MAX_SCANNED))
    if len(scanned) == _MAX_SCANNED:
        return body
    members = {member.name: member for member in scanned if member.name in _NEEDED}
    values = {name: body[member.start : member.end] for name, member in members.items()}
    edits = []
    closing = body.rindex(b"}")
    added = b"," if body[body.index(b"{") + 1 : closing].strip() else b""
    for name, value in _needed(values, timestamp_ms).items():
        if name not in members:
            edits.append((closing, closing, added + b'"%s":%s' % (name.encode(), value)))
            added = b","
        elif values[name] == b"null":
            edits.append((members[name].start, members[name].end, value))
    return _apply(body, edits)


def with_member(body: bytes, name: str, value: bytes) -> bytes:
    """The JSON object `body` with this member in place of those of its name, every other byte as it was."""
    edits = [(one.start, one.end, value) for one in top_level_members(body) if one.name == name]
    if not edits:
        closing = body.rindex(b"}")
        comma = b"," if body[body.index(b"{") + 1 : closing].strip() else b""
        edits = [(closing, closing, comma + json.dumps(name).encode() + b":" + value)]
    return _apply(body, edits)


def _needed(values: dict[str, bytes], timestamp_ms: int) -> dict[str, bytes]:
    """The members that a notification has, each with the value to be used when it is missing."""
    identifier = next((values[name] for name in ("userId", "userID") if _names_someone(values.get(name))), None)
    needed = {
        "type": b'"delete"',
        "userId": identifier,
        "userID": identifier,
        "timestamp": _timestamp(values, timestamp_ms),
    }
    return {name: value for name, value in needed.items() if value is not None}


def _names_someone(value: bytes | None) -> bool:
    """Whether the JSON text is a string that is not empty, or a number."""
    return value is not None and value != b'""' and value[0] in b'"-0123456789'


def _timestamp(values: dict[str, bytes], timestamp_ms: int) -> bytes:
    received_at = values.get("receivedAt", b"null")
    if received_at not in _NO_TIME:
        return received_at
    if timestamp_ms < 0 or not is_rfc3339(timestamp_ms):
        for name in ("sentAt", "originalTimestamp"):
            if values.get(name, b"null") not in _NO_TIME:
                return values[name]
    return b'"%s"' % format_time_ms(min(max(0, timestamp_ms), LAST_MS)).encode()


def _apply(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    pieces = []
    position = 0
    for start, end, text in sorted(edits, key=lambda edit: edit[0]):
        pieces += [body[position:start], text]
        position = end
    return b"".join([*pieces, body[position:]])


def _value_end(body: bytes, start: int) -> int:
    """Where the value that begins at `start` ends."""
    shallow = _VALUE.match(body, start)
    if shallow:
        return shallow.end()
    depth = 0
    for bracket in _BRACKET.finditer(body, start):
        if bracket[1] in b"{[":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return bracket.end()
    raise ValueError("The body is not a JSON object.")

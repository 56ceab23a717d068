"""Dead letters as they lie on their topic: whose they are, what they say, and the markers that end them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stream.model.records import Headers, Record, RecordId
from stream.model.timeparse import parse_time

REDRIVEN, DISCARDED = "redriven", "discarded"
MARKERS = (REDRIVEN, DISCARDED)
"""Reasons of records that are not letters: they say that the letter of the same identity is done with."""

PREFIX = "tray."
MAX_PARTITION, MAX_OFFSET = 2**31 - 1, 2**63 - 1
OMITTED = "tray.value"
"""Header of a letter that was too large for the topic: its value is not in it."""
TOPIC_ID = "tray.topic_id"
"""Header with Kafka's id of the event's topic; letters of earlier versions lack it."""
OURS = frozenset(
    PREFIX + name
    for name in (
        *("reason", "detail", "group", "workflow", "status", "attempts"),
        *("topic", "partition", "offset", "timestamp", "failed_at", "value", "replay", "topic_id"),
    )
)
"""Headers that a letter has in addition to those of the event's record."""


class Identity(NamedTuple):
    """What makes two records one letter."""

    group: str
    topic: str
    partition: int
    offset: int
    workflow: str
    """Empty: an invalid record of a group that several workflows share."""
    topic_id: str = ""
    """Kafka's id of the event's topic; empty: unknown, as in letters of earlier versions."""

    @property
    def place(self) -> RecordId:
        """Where the event's own record lies."""
        return RecordId(self.topic, self.partition, self.offset)


@dataclass(slots=True)
class Letter:
    """A letter without its value. Copies of one identity are folded into one."""

    identity: Identity
    at: RecordId
    """Its latest copy on the dead-letter topic."""
    reason: str
    status: str
    attempts: int
    failed_at_ms: int
    timestamp_ms: int
    """Of the event's own record; -1 when unknown."""
    key: bytes | None
    """The record's, which its marker has as well."""
    is_omitted: bool
    copies: int = 1
    elsewhere: tuple[RecordId, ...] = ()
    """Copies on other partitions of the topic: each needs its own marker."""
    done_by: frozenset[str] = field(default_factory=frozenset)
    """Of a letter without a workflow: workflows that are done with it already."""

    def is_same(self, other: Letter) -> bool:
        """Whether both are of one event, given that their identities differ in the topic id at most."""
        return is_same_topic(self.identity.topic_id, self.timestamp_ms, other.identity.topic_id, other.timestamp_ms)


def is_same_topic(one_id: str, one_ms: int, other_id: str, other_ms: int) -> bool:
    """Whether two records at one place are of one topic, not of two that had its name one after the other.

    Where an id is unknown the records' timestamps tell; an unknown timestamp is like any.
    """
    if one_id and other_id:
        return one_id == other_id
    return one_ms == other_ms or -1 in (one_ms, other_ms)


@dataclass(frozen=True, slots=True)
class Marker:
    """The letter of this identity, if it lies before on the same partition, is done with."""

    identity: Identity
    reason: str
    at_ms: int
    timestamp_ms: int = -1
    """Of the event's own record; -1 when unknown, as in markers of earlier versions."""

    def ends(self, letter: Letter) -> bool:
        """Whether it is this letter's, given that their identities differ in the topic id at most."""
        theirs = letter.identity.topic_id
        return is_same_topic(self.identity.topic_id, self.timestamp_ms, theirs, letter.timestamp_ms)


def read_letter(record: Record) -> Letter | Marker | None:
    """What a record of the dead-letter topic says; None when it was not written by this program."""
    named = _texts(record.headers)
    try:
        identity = Identity(
            group=sys.intern(named["tray.group"]),
            topic=sys.intern(named["tray.topic"]),
            partition=_position(named["tray.partition"], MAX_PARTITION),
            offset=_position(named["tray.offset"], MAX_OFFSET),
            workflow=sys.intern(named["tray.workflow"]),
            topic_id=sys.intern(named.get(TOPIC_ID, "")),
        )
        reason = sys.intern(named["tray.reason"])
        attempts = int(named.get("tray.attempts", "0"))
    except (KeyError, ValueError):
        return None
    at_ms = _milliseconds(named.get("tray.failed_at", ""), record.timestamp_ms)
    timestamp_ms = _timestamp(named.get("tray.timestamp", ""))
    if reason in MARKERS:
        return Marker(identity, reason, at_ms, timestamp_ms)
    return Letter(
        identity=identity,
        at=RecordId(sys.intern(record.topic), record.partition, record.offset),
        reason=reason,
        status=sys.intern(named.get("tray.status", "")),
        attempts=attempts,
        failed_at_ms=at_ms,
        timestamp_ms=timestamp_ms,
        key=record.key,
        is_omitted=record.value is None and OMITTED in named,
    )


def answer_code(status: str) -> int | str | None:
    """An HTTP status as a number; a word for an attempt without an answer, such as timeout; None: no attempt."""
    return int(status) if status.isdecimal() else status or None


def marker_headers(identity: Identity, reason: str, at: str, timestamp_ms: int = -1) -> Headers:
    """Headers of the record that ends a letter; `at` is the time in RFC 3339, `timestamp_ms` that of the event."""
    ours = {
        "tray.reason": reason,
        "tray.group": identity.group,
        "tray.workflow": identity.workflow,
        "tray.topic": identity.topic,
        "tray.partition": str(identity.partition),
        "tray.offset": str(identity.offset),
        "tray.failed_at": at,
    }
    if timestamp_ms >= 0:
        ours["tray.timestamp"] = str(timestamp_ms)
    if identity.topic_id:
        ours[TOPIC_ID] = identity.topic_id
    return [(name, text.encode()) for name, text in ours.items()]


def event_record(letter: Letter, stored: Record, value: bytes | None) -> Record:
    """The event's record as it was on its own topic, from the letter and what is stored of it."""
    identity = letter.identity
    headers = [(name, content) for name, content in stored.headers or () if name not in OURS]
    return Record(*identity.place, letter.timestamp_ms, stored.key, value, headers or None)


def _texts(headers: Headers | None) -> Mapping[str, str]:
    return {
        name: (content or b"").decode("utf-8", "replace") for name, content in headers or () if name.startswith(PREFIX)
    }


def _position(text: str, most: int) -> int:
    """A partition or an offset. Raises ValueError when Kafka has none of that number."""
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError("out of range")
    return number


def _timestamp(text: str) -> int:
    """Milliseconds of Unix time; -1 when unknown, or nothing that Kafka could have had."""
    try:
        return _position(text, MAX_OFFSET)
    except ValueError:
        return -1


def _milliseconds(text: str, otherwise: int) -> int:
    try:
        return parse_time(text)
    except ValueError:
        return otherwise

"""Finds the events of a message id or a user in a range of the topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.events import Event, Invalid
from stream.model.records import Record
from stream.replay.event_query import EventQuery
from stream.replay.plan import plan_replay
from stream.replay.request import ReplayRequest
from stream.runtime.decoding import record_decoder
from stream.settings.model import Settings

DEFAULT_START = "P1D"
MOST_FOUND = 100
"""More are not looked for: the range is to be narrowed."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sought:
    """What is looked for, and where."""

    message_ids: frozenset[str]
    users: frozenset[str]
    start: str
    until: str
    topics: tuple[str, ...]


@dataclass
class Found:
    """The events that were found, and how many records were looked at."""

    records: list[Record] = field(default_factory=list)
    looked_at: int = 0
    is_cut: bool = False
    """There may be more: the search ended at `MOST_FOUND`."""


def search(settings: Settings, kafka: KafkaPolicy, sought: Sought, now_ms: int, progress: Progress) -> Found:
    """Read the range, and keep what matches. Blocking; `progress` is called with how many of how many offsets are read.

    Raises:
        ConfigError: an end of the range cannot be read; MissingTopicError: there is no such topic.
        SourceError: Kafka does not answer.
    """
    request = ReplayRequest(
        name="explain",
        is_named=False,
        start=sought.start,
        until=sought.until,
        topics={topic: frozenset() for topic in sought.topics},
        workflows=tuple(workflow.name for workflow in settings.workflows),
    )
    plan = plan_replay(settings, kafka, request, now_ms)
    spans = {tp: OffsetRange(stretch.at, stretch.until) for tp, stretch in plan.stretches.items()}
    matches, found = _matcher(settings, sought), Found()
    with RecordReader(reader_config(kafka)) as reader:
        for records in reader.scan(spans):
            found.looked_at += len(records)
            progress(found.looked_at, plan.offsets)
            found.records += filter(matches, records)
            if len(found.records) >= MOST_FOUND:
                found.is_cut = True
                del found.records[MOST_FOUND:]
                break
    found.records.sort(key=lambda record: (record.timestamp_ms, record.place))
    return found


def _matcher(settings: Settings, sought: Sought) -> Callable[[Record], bool]:
    """Only a value that holds the text of an id, or an escape that may stand for some of it, is parsed."""
    selection = EventQuery(users=sought.users, message_ids=sought.message_ids)
    needles = [[one.encode() for one in ids] for ids in (sought.message_ids, sought.users) if ids]
    decode = record_decoder(settings, "off").decode

    def matches(record: Record) -> bool:
        value = record.value
        if value is None or not (b"\\" in value or _holds(value, needles)):
            return False
        decoded = decode(record)
        if isinstance(decoded, Event):
            return selection.reason(decoded) is None
        return isinstance(decoded, Invalid) and _holds(value, needles)

    return matches


def _holds(value: bytes, needles: Iterable[Iterable[bytes]]) -> bool:
    return all(any(one in value for one in ids) for ids in needles)

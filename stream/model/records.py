"""Records of a topic, and where they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

Headers = list[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RecordId(NamedTuple):
    """Where a record lies. As text it is what `give_up` takes."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"


@dataclass(slots=True, init=False)
class Record:
    """One record as it lies on the topic. `timestamp_ms` is Unix time in milliseconds, -1 when unknown."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    derived_bytes: int = 0
    """What decoding made of it that is as large as its parts: long ids as text, a delete notification."""
    held_bytes: int = 0
    """What it counts for while it is open, fixed when it is admitted."""

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        derived_bytes: int = 0,
        held_bytes: int = 0,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp_ms = timestamp_ms
        self.key = key
        self.value = value
        self.headers = headers
        self.derived_bytes = derived_bytes
        self.held_bytes = held_bytes

    @property
    def place(self) -> RecordId:
        """Where it lies."""
        return RecordId(self.topic, self.partition, self.offset)


_HEADER_BYTES = 150
"""What a header takes besides its name and value: a pair, a text and bytes are objects of their own."""


def size_of(records: Iterable[Record]) -> int:
    """Bytes that these records hold."""
    return sum(map(_bytes_of, records))


def hold(records: Iterable[Record]) -> int:
    """Fix what each of these records counts for while it is open; the sum."""
    size = 0
    for record in records:
        record.held_bytes = held = _bytes_of(record)
        size += held
    return size


def _bytes_of(record: Record) -> int:
    size = len(record.value or b"") + len(record.key or b"") + record.derived_bytes
    if record.headers:
        size += sum([_HEADER_BYTES + len(name) + len(content or b"") for name, content in record.headers])
    return size


@dataclass(slots=True)
class RecordBatch:
    """Records of one partition in offset order, polled in one go by the owner of `epoch`."""

    tp: TopicPartition
    epoch: int
    records: list[Record]

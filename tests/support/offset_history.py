"""Every commit that Kafka stored, in order, from its own topic of committed offsets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

TOPIC = "__consumer_offsets"
_OFFSET_KEYS = (0, 1)
"""Versions of keys that name a group's partition; others name groups."""
_COMPACT_FROM = 4
"""Version of the values since which lengths are varints."""
_TIMEOUT_S = 60.0

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True)
class StoredCommit:
    """One commit of a partition; a deleted one is left out."""

    offset: int
    metadata: str


def commit_history(bootstrap: str, group: str) -> dict[Place, list[StoredCommit]]:
    """Per partition what the group committed, first to last, until compaction takes it away."""
    found: defaultdict[Place, list[StoredCommit]] = defaultdict(list)
    for key, value in _records(bootstrap):
        place = _place(key, group)
        if place is not None and value is not None:
            found[place].append(_commit(value))
    return dict(found)


def went_back(history: dict[Place, list[StoredCommit]]) -> list[str]:
    """Commits that set an offset back."""
    return [
        f"{topic}:{partition} went back from {one.offset} to {after.offset}"
        for (topic, partition), commits in history.items()
        for one, after in pairwise(commits)
        if after.offset < one.offset
    ]


def _records(bootstrap: str) -> list[tuple[bytes, bytes | None]]:
    config = {
        "bootstrap.servers": bootstrap,
        "group.id": "offset-history",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    records: list[tuple[bytes, bytes | None]] = []
    consumer = Consumer(config)
    try:
        partitions = consumer.list_topics(TOPIC, timeout=_TIMEOUT_S).topics[TOPIC].partitions
        consumer.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in partitions])
        open_partitions = set(partitions)
        while open_partitions:
            message = consumer.poll(_TIMEOUT_S)
            if message is None:
                raise TimeoutError(f"{TOPIC} does not come to its end.")
            error, key, value = message.error(), message.key(), message.value()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(message.partition() or 0)
            elif error is None and isinstance(key, bytes):
                records.append((key, value if isinstance(value, bytes) else None))
    finally:
        consumer.close()
    return records


def _place(key: bytes, group: str) -> Place | None:
    reader = _Fields(key)
    if reader.number(2) not in _OFFSET_KEYS or reader.text() != group:
        return None
    return reader.text(), reader.number(4)


def _commit(value: bytes) -> StoredCommit:
    reader = _Fields(value)
    version = reader.number(2)
    offset = reader.number(8)
    if version >= 3:
        reader.number(4)  # the leader's epoch
    metadata = reader.compact_text() if version >= _COMPACT_FROM else reader.text()
    return StoredCommit(offset, metadata.removesuffix("\0"))  # confluent-kafka sends the end of a C string along


class _Fields:
    """Fields of Kafka's own records, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        """A signed number of so many bytes."""
        return int.from_bytes(self._take(size), "big", signed=True)

    def text(self) -> str:
        """A text with its length before it."""
        return self._take(self.number(2)).decode()

    def compact_text(self) -> str:
        """A text with a varint of its length and one before it."""
        length, shift = 0, 0
        while True:
            byte = self._take(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return self._take(length - 1).decode()

    def _take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

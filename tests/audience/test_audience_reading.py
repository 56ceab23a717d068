"""Reading one partition of the state topic to its end."""

from __future__ import annotations

from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, Message

from stream.audience.state_topic import _read_until
from stream.model.records import TopicPartition


class ScriptedConsumer:
    """Gives one batch after the other."""

    def __init__(self, *batches: list[Message]) -> None:
        self._batches = list(batches)

    def consume(self, _count: int, timeout: float) -> list[Message]:
        """The next batch; nothing once all were given."""
        assert timeout > 0
        return self._batches.pop(0) if self._batches else []


def message(partition: int, offset: int, key: bytes | None) -> Message:
    """A record, or without a key the end of the partition."""
    error: Any = None if key else KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic="state", partition=partition, offset=offset, key=key, value=b"true", error=error)


def test_the_end_of_another_partition_does_not_count() -> None:
    """It was assigned before, and is longer."""
    batches = [message(0, 9, None)], [message(1, 0, None)], [message(1, 0, b"ann"), message(1, 2, None)]
    consumer = cast(Consumer, ScriptedConsumer(*batches))
    assert [record.key for record in _read_until(consumer, TopicPartition("state", 1), 2)] == [b"ann"]

"""The load of a soak: numbered events of every sort, so that a number alone says who is to get it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

USERS = 2_000
STEP_S = 0.1
READ_TIMEOUT_S = 300.0
WORKFLOWS = ("everything", "orders", "crm")
TYPES = ("track", "track", "identify", "track", "page", "track", "identify", "track", "screen", "group")
REFUND_EVERY, FILTERED_EVERY, INVALID_EVERY = 50, 21, 487
_WANTED = {"orders": frozenset({"track"}), "crm": frozenset({"identify", "group"})}


def workflow_settings() -> list[dict[str, Any]]:
    """Name and event types of each workflow; `everything` has no types and gets all."""
    return [{"name": name, **({"types": sorted(_WANTED[name])} if name in _WANTED else {})} for name in WORKFLOWS]


def user_of(number: int) -> str:
    """Whose event it is; also its key."""
    return f"user-{number * 7919 % USERS}"


def is_invalid(number: int) -> bool:
    """Whether its value is not an event at all, and so ends as one dead letter for the group."""
    return number % INVALID_EVERY == 3


def is_wanted(workflow: str, number: int) -> bool:
    """Whether the workflow is to get it, or its dead letter."""
    if is_invalid(number) or number % FILTERED_EVERY == 5:
        return False
    return workflow not in _WANTED or TYPES[number % len(TYPES)] in _WANTED[workflow]


def value_of(number: int) -> bytes:
    """The record's value."""
    if is_invalid(number):
        return b"m-%d is not JSON" % number
    type_ = TYPES[number % len(TYPES)]
    event: dict[str, Any] = {"type": type_, "messageId": f"m-{number}", "userId": user_of(number)}
    if type_ == "track":
        event["event"] = "Order Refunded" if number % REFUND_EVERY == 1 else "Order Completed"
    if type_ == "group":
        event["groupId"] = f"group-{number % 97}"
    if number % FILTERED_EVERY == 5:
        event["integrations"] = {"tray.io": False}
    return orjson.dumps(event | {"timestamp": "2026-01-05T09:00:00.000Z", "properties": {"padding": "x" * 120}})


def number_in(body: bytes) -> int:
    """The number of an event, from its value; -1 when there is none."""
    start = body.find(b"m-")
    digits = body[start + 2 : start + 14].split(b'"')[0].split(b" ")[0]
    return int(digits) if start >= 0 and digits.isdigit() else -1


class Load:
    """A thread that writes events at `rate` a second, each exactly once, until `stop`."""

    def __init__(self, bootstrap: str, topic: str, rate: float) -> None:
        config = {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 20, "log_level": 0}
        self._producer = Producer({**config, "enable.idempotence": True, "message.timeout.ms": 0})
        self._topic = topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.rate = rate
        self.written = 0
        self.failed = 0
        self._thread.start()

    def stop(self) -> None:
        """Write no more; return when Kafka has all of it."""
        self._stop.set()
        self._thread.join()
        self._producer.flush(60)

    def _run(self) -> None:
        due, last = 0.0, time.monotonic()
        while not self._stop.wait(STEP_S):
            now = time.monotonic()
            due, last = due + (now - last) * self.rate, now
            while due >= 1 and self._produce():
                due -= 1
            self._producer.poll(0)

    def _produce(self) -> bool:
        number = self.written
        try:
            self._producer.produce(self._topic, value_of(number), user_of(number), on_delivery=self._report)
        except BufferError:  # Kafka does not keep up, or is away: what is due is written later
            return False
        self.written += 1
        return True

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        self.failed += error is not None


def read_all(bootstrap: str, topic: str, ends: dict[int, int]) -> Iterator[Message]:
    """Every record up to `ends`, one after the other and none kept.

    Raises:
        KafkaException: the topic could not be read to its end.
    """
    left = {partition for partition, end in ends.items() if end > 0}
    config = {"bootstrap.servers": bootstrap, "group.id": "soak-reader", "auto.offset.reset": "earliest"}
    consumer = Consumer({**config, "enable.auto.commit": False, "enable.partition.eof": True, "log_level": 0})
    deadline = time.monotonic() + READ_TIMEOUT_S
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        while left:
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic} does not end"))
            for message in consumer.consume(1000, 0.5):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition() or 0)
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()

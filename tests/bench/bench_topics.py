"""Topics of Segment events to forward: made once for each shape, and used by every variant that wants it."""

from __future__ import annotations

import random
import uuid

import orjson
from bench_events import SEED, Shape, event, filler
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from support.topics import create_topic

AT_ONCE = 1_000
CREATED_WITHIN_S = 60.0


class Topics:
    """Fills topics on one broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._made: dict[Shape, str] = {}

    def filled(self, shape: Shape) -> str:
        """The name of a topic of this shape."""
        if shape not in self._made:
            self._made[shape] = name = f"events-{uuid.uuid4().hex[:8]}"
            create(self.bootstrap, name, shape.partitions)
            fill(self.bootstrap, name, shape)
        return self._made[shape]

    def empty(self, partitions: int) -> str:
        """The name of a new topic."""
        name = f"events-{uuid.uuid4().hex[:8]}"
        create_topic(self.bootstrap, name, partitions)
        return name


def create(bootstrap: str, topic: str, partitions: int) -> None:
    """Create a topic; with many partitions in steps, since Kafka refuses to create 10,000 at once."""
    create_topic(bootstrap, topic, min(partitions, AT_ONCE))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for count in range(2 * AT_ONCE, partitions + 1, AT_ONCE):
        admin.create_partitions([NewPartitions(topic, count)])[topic].result(CREATED_WITHIN_S)


def fill(bootstrap: str, topic: str, shape: Shape) -> None:
    """Produce the events of a shape, the same each time."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4", "acks": 1})
    chooser = random.Random(SEED)
    padding = filler(shape.size)
    for number in range(shape.events):
        user = f"user-{number if shape.users >= shape.events else chooser.randrange(shape.users)}"
        value = orjson.dumps(event(number, user, padding, is_small=shape.size < 500))
        while True:
            try:
                producer.produce(topic, value, user)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("Kafka did not take all events.")

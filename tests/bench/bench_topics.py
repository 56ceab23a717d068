"""Topics of Segment events to forward: made once for each shape, and used by every variant that wants it."""

from __future__ import annotations

import random
import uuid
from typing import NamedTuple

import orjson
from confluent_kafka import Producer
from support.topics import create_topic

KINDS = ("track",) * 6 + ("page",) * 2 + ("identify", "screen")
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_5) AppleWebKit/537.36 (KHTML, like Gecko)"
PAGE = {"path": "/shop/", "referrer": "", "search": "", "title": "Shop", "url": "https://example.com/shop/"}
PRODUCTS = [{"sku": "kettle-1l", "quantity": 1, "price": 39.5}, {"sku": "cup-blue", "quantity": 2, "price": 8.25}]
SEED = 7


class Shape(NamedTuple):
    """What a topic looks like."""

    events: int
    size: int = 800
    """Bytes of an event, nearly."""
    users: int = 20_000
    """At random; where there are as many as events, each has one."""
    partitions: int = 4


class Topics:
    """Fills topics on one broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._made: dict[Shape, str] = {}

    def filled(self, shape: Shape) -> str:
        """The name of a topic of this shape."""
        if shape not in self._made:
            self._made[shape] = name = f"events-{uuid.uuid4().hex[:8]}"
            create_topic(self.bootstrap, name, shape.partitions)
            fill(self.bootstrap, name, shape)
        return self._made[shape]

    def empty(self, partitions: int) -> str:
        """The name of a new topic."""
        name = f"events-{uuid.uuid4().hex[:8]}"
        create_topic(self.bootstrap, name, partitions)
        return name


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


def event(number: int, user: str, padding: str = "", *, is_small: bool = False) -> dict[str, object]:
    """One event as a web page sends it; a small one has only what it must."""
    kind = KINDS[number % len(KINDS)]
    named = {"event": "Order Completed"} if kind == "track" else {}
    found: dict[str, object] = {"messageId": f"m-{number}", "type": kind, "userId": user, **named}
    if is_small:
        return {**found, "timestamp": "2026-01-05T09:00:00.000Z", "properties": {"orderId": number, "total": 42.5}}
    return {
        **found,
        "anonymousId": f"a-{number:032d}",
        "timestamp": "2026-01-05T09:00:00.000Z",
        "receivedAt": "2026-01-05T09:00:00.100Z",
        "integrations": {"All": True},
        "context": {"ip": "192.0.2.1", "locale": "en-US", "userAgent": AGENT, "page": PAGE},
        "properties": {"orderId": number, "total": 42.5, "products": PRODUCTS, "note": padding},
    }


def filler(size: int) -> str:
    """Text that brings an event to this size."""
    bare = len(orjson.dumps(event(100_000, "user-10000")))
    chooser = random.Random(SEED)
    words = ("order", "kettle", "gift", "blue", "please", "ring", "twice", "thanks", "door", "left")
    text = " ".join(chooser.choice(words) for _ in range(max(0, size - bare) // 4))
    return text[: max(0, size - bare)]

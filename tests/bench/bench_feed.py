"""Writes Segment events to a topic at a rate that may change from one moment to the next."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any, Self

import orjson
from bench_events import Shape, event, filler
from confluent_kafka import Producer

STEP_S = 0.02
POOL = 20_000
"""Different events, and users; then they come again."""
_SETTINGS = {"linger.ms": 20, "compression.type": "lz4", "acks": 1, "queue.buffering.max.kbytes": 262_144}


class Feed:
    """A thread that writes `rate` events a second for as long as the block lasts; it begins with none."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        padding = filler(Shape(0).size)
        users = (f"user-{number}" for number in range(POOL))
        pool = [(user, orjson.dumps(event(number, user, padding))) for number, user in enumerate(users)]
        self._events = itertools.cycle(pool)
        self._producer = Producer({"bootstrap.servers": bootstrap, **_SETTINGS})
        self._topic = topic
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._handed = 0
        self.rate = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()
        self._producer.close()

    @property
    def written(self) -> int:
        """How many events Kafka has taken so far."""
        return self._handed - len(self._producer)

    def _run(self) -> None:
        due, last = 0.0, time.monotonic()
        while not self._stop.wait(STEP_S):
            now = time.monotonic()
            due, last = due + (now - last) * self.rate, now
            while due >= 1 and self._hand():
                due -= 1
            self._producer.poll(0)

    def _hand(self) -> bool:
        user, value = next(self._events)
        try:
            self._producer.produce(self._topic, value, user)
        except BufferError:  # Kafka does not keep up; what is due is written later
            return False
        self._handed += 1
        return True

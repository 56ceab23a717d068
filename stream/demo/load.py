"""Writes sample events to a topic at a steady rate: `python -m stream.demo.load`."""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Iterator
from signal import SIGINT, SIGTERM, signal

import orjson
from confluent_kafka import Producer

from stream.demo.samples import event_key, sample_events
from stream.model.timeparse import format_wall

STEP_S = 0.1
EVENTS_OF_A_SEED = 1_000
TIMES = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


def endless_events() -> Iterator[tuple[str | None, bytes]]:
    """(key, value) of sample events, with the present time in them; no two have one message id."""
    seed = int.from_bytes(os.urandom(4))
    while True:
        for event in sample_events(EVENTS_OF_A_SEED, seed):
            at = format_wall(time.time())
            yield event_key(event), orjson.dumps(event | {name: at for name in TIMES if name in event})
        seed += 1


def produce_steadily(producer: Producer, topic: str, rate: float, stop: threading.Event) -> int:
    """Write `rate` events a second until `stop` is set; how many were handed to Kafka's client."""
    events, written, began = endless_events(), 0, time.monotonic()
    while not stop.wait(STEP_S):
        due = int((time.monotonic() - began) * rate)
        for _ in range(due - written):
            key, value = next(events)
            try:
                producer.produce(topic, value, key)
            except BufferError:  # Kafka does not keep up, or is away: what is due is written later
                break
            written += 1
        producer.poll(0)
    producer.flush(10)
    return written


def main() -> None:
    """Write until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m stream.demo.load", description=main.__doc__)
    parser.add_argument("--bootstrap-servers", default="localhost:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", default="segment-events")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second (default: 200)")
    given = parser.parse_args()
    stop = threading.Event()
    for number in (SIGTERM, SIGINT):
        signal(number, lambda *_: stop.set())
    print(f"Writing {given.rate:g} events a second to {given.topic}.", flush=True)
    config = {"bootstrap.servers": given.bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 20}
    written = produce_steadily(Producer(config), given.topic, given.rate, stop)
    print(f"Wrote {written} events.", flush=True)


if __name__ == "__main__":
    main()

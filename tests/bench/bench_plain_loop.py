"""What most people write: poll, parse, post with httpx, commit. One event at a time.

`python tests/bench/bench_plain_loop.py BOOTSTRAP TOPIC GROUP URL`
"""

from __future__ import annotations

import json
import sys

import httpx
from confluent_kafka import Consumer


def main() -> None:
    """Forward until killed."""
    bootstrap, topic, group, url = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    with httpx.Client() as client:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            event = json.loads(message.value() or b"{}")
            client.post(url, json=event).raise_for_status()
            consumer.commit(message=message, asynchronous=True)


if __name__ == "__main__":
    main()

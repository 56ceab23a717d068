"""The sender without Kafka and without the engine: the upper bound of what the product can reach.

`python tests/bench/bench_sender_alone.py URL COUNT IN_FLIGHT SIZE [CERTIFICATE]`: posts one event again and again.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

import orjson
import uvloop
from bench_topics import event, filler

from stream.core.model import Answer, Event, Record, WorkflowPolicy
from stream.core.request import RequestBuilder
from stream.webhook.choose import choose_sender

TIMEOUT_S = 10.0


async def post(url: str, count: int, in_flight: int, size: int, tls: ssl.SSLContext | None) -> None:
    """Keep `in_flight` requests under way until `count` are answered."""
    sender = choose_sender(url, timeout_s=TIMEOUT_S, max_connections=in_flight, tls=tls)
    value = orjson.dumps(event(100_000, "user-10000", filler(size), is_small=size < 500))
    request = RequestBuilder(WorkflowPolicy("bench"), "tray-stream/bench").build(
        Event(Record("t", 0, 0, 0, None, value), value, "track", "user-10000", "m-100000", {})
    )
    done = asyncio.get_running_loop().create_future()
    left, answered = count - in_flight, 0

    def on_answer(answer: Answer) -> None:
        nonlocal left, answered
        answered += answer.status == 200
        if answered >= count:
            done.set_result(None)
        elif left > 0:
            left -= 1
            sender.send(request, on_answer)

    for _ in range(in_flight):
        sender.send(request, on_answer)
    await done
    await sender.close()


def main() -> None:
    """The command line."""
    url, count, in_flight, size, *more = sys.argv[1:]
    tls = ssl.create_default_context(cafile=more[0]) if more else None
    uvloop.run(post(url, int(count), int(in_flight), int(size), tls))


if __name__ == "__main__":
    main()

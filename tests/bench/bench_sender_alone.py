"""The sender without Kafka and without the engine: the upper bound of what the product can reach.

`python tests/bench/bench_sender_alone.py URL COUNT IN_FLIGHT SIZE [CERTIFICATE]`: posts one event again and again.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Sequence

import orjson
import uvloop
from bench_events import event, filler

from stream.http.sender import WebhookSender
from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.ports import AttemptResult
from stream.model.records import Record
from stream.rules.request import RequestBuilder
from stream.runtime.resources import collect_now_and_then

TIMEOUT_S = 10.0


async def post(url: str, count: int, in_flight: int, size: int, tls: ssl.SSLContext | None) -> None:
    """Keep `in_flight` requests under way until `count` are answered."""
    sender = WebhookSender(url, timeout_s=TIMEOUT_S, max_connections=in_flight, tls=tls)
    value = orjson.dumps(event(100_000, "user-10000", filler(size), is_small=size < 500))
    request = RequestBuilder(WorkflowPolicy("bench"), "tray-stream/bench").build(
        Event(Record("t", 0, 0, 0, None, value), value, "track", "user-10000", "m-100000", {})
    )
    done = asyncio.get_running_loop().create_future()
    left, answered = count, 0

    def start(requests: int) -> None:
        nonlocal left
        left -= requests
        for _ in range(requests):
            sender.send(request, object(), on_results)

    def on_results(answers: Sequence[AttemptResult]) -> None:
        nonlocal answered
        answered += sum(answer.status == 200 for _, answer, _ in answers)
        if answered >= count:
            done.set_result(None)
        start(min(left, len(answers)))

    collecting = asyncio.create_task(collect_now_and_then())  # as the product does
    start(in_flight)
    await done
    collecting.cancel()
    await sender.close()


def main() -> None:
    """The command line."""
    url, count, in_flight, size, *more = sys.argv[1:]
    tls = ssl.create_default_context(cafile=more[0]) if more else None
    uvloop.run(post(url, int(count), int(in_flight), int(size), tls))


if __name__ == "__main__":
    main()

"""What the worst event of each size costs the event loop, step by step: `python tests/bench/worst_event.py`.

Each step should stay linear in the size of the event, whatever its number of values or members.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from random import Random

import orjson

from stream.model.events import Event
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record
from stream.rules.decode import Decoder
from stream.rules.deletion import delete_notification
from stream.rules.filter import EventFilter
from stream.rules.quoted import without_quotes
from stream.rules.request import RequestBuilder
from stream.validation.schemas import SchemaValidator

SIZES = (1_000, 10_000, 100_000, 950_000)
VALUE_CHARS = 80
ROUNDS = 3
SECRETS = ("Bearer s3cret-token-of-the-bench",)
WORKFLOWS = tuple(WorkflowPolicy(f"w{n}", events=(f"*Order*{n}*",), shared_secret=b"secret") for n in range(10))

Step = Callable[[], object]


def many_values(size: int) -> bytes:
    """Values that all differ: an order with very many lines."""
    chooser = Random(size)
    values = {f"k{n}": f"{chooser.getrandbits(4 * VALUE_CHARS):0{VALUE_CHARS}x}" for n in range(size // 95)}
    return orjson.dumps({"type": "track", "event": "Order", "userId": "u", "properties": values})


def many_members(size: int) -> bytes:
    """A delete event with as many members as fit."""
    return orjson.dumps({"type": "delete", "userId": "u", **{f"k{n}": n for n in range(size // 15)}})


def faulty(size: int) -> bytes:
    """An invalid event with as many members as fit."""
    return orjson.dumps({"type": "track", **{f"k{n}": n for n in range(size // 15)}})


def steps(size: int) -> dict[str, Step]:
    """What is done with an event of this size, each with its worst event."""
    event, deletion, invalid = many_values(size), many_members(size), faulty(size)
    decode = Decoder("strict", SchemaValidator()).decode
    route = EventFilter("tray.io", WORKFLOWS, range(len(WORKFLOWS))).route
    builders = [RequestBuilder(policy, "bench") for policy in WORKFLOWS]
    long_name = decode(_record(orjson.dumps({"type": "track", "event": "Order " * (size // 6), "userId": "u"})))
    assert isinstance(long_name, Event)
    excerpt = f"cannot take {event.decode()}"[:256]
    return {
        "decode": lambda: decode(_record(event)),
        "decode, invalid": lambda: decode(_record(invalid)),
        "filter, 10 workflows": lambda: route(long_name),
        "delete notification": lambda: delete_notification(deletion, 1),
        "10 requests of a delete": lambda: _build(builders, decode(_record(deletion))),
        "excerpt of a rejection": lambda: without_quotes(excerpt, event, SECRETS),
    }


def _record(value: bytes) -> Record:
    return Record("events", 0, 0, 0, None, value)


def _build(builders: list[RequestBuilder], event: object) -> None:
    assert isinstance(event, Event)
    for builder in builders:
        builder.build(event)


def cost_ms(step: Step) -> float:
    """CPU milliseconds, the best of several rounds."""
    costs = []
    for _ in range(ROUNDS):
        began = time.process_time()
        step()
        costs.append(time.process_time() - began)
    return min(costs) * 1e3


def kept_bytes(step: Step) -> int:
    """What is still held after the step is over."""
    tracemalloc.start()
    try:
        step()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print a line for each step, with a column for each size."""
    table = {size: steps(size) for size in SIZES}
    print(f"{'ms of the loop':<26}" + "".join(f"{size:>12,} B" for size in SIZES) + "   bytes kept of the largest")
    for name in table[SIZES[0]]:
        costs = "".join(f"{cost_ms(table[size][name]):>14.2f}" for size in SIZES)
        print(f"{name:<26}{costs}{kept_bytes(table[SIZES[-1]][name]):>28,}")


if __name__ == "__main__":
    main()

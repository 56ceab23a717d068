"""The limit on open bytes counts what an open event holds, not its value alone."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.engine_world import EngineWorld
from support.scripted_workflow import statuses

from stream.model.attempts import Answer
from stream.model.policies import EnginePolicy, Limits, WorkflowPolicy
from stream.model.records import Headers, TopicPartition

LIMIT = 1024 * 1024
SIZE = 64 * 1024
BATCH = 20
"""Records that are polled at once."""


def headers(number: int) -> Headers:
    """One large header."""
    return [("trace", b"x" * SIZE)]


def many_headers(number: int) -> Headers:
    """Small ones, each of which takes objects of its own."""
    return [(f"h{n}", b"") for n in range(1_000)]


def named_headers(number: int) -> Headers:
    """A long name."""
    return [("x" * SIZE, None)]


def plain(number: int) -> Headers | None:
    """No header."""
    return None


def wide_id(number: int) -> dict[str, object]:
    """One letter that makes each character of the text take four bytes."""
    return {"userId": "x" * SIZE + f"\U0001f600{number}"}


def deletion(number: int) -> dict[str, object]:
    """A delete event, of which the notification is held, too."""
    return {"type": "delete", "padding": "x" * SIZE}


def nothing(number: int) -> dict[str, object]:
    """An ordinary event."""
    return {}


@pytest.mark.parametrize(
    ("headers_of", "fields_of", "held"),
    [
        (headers, nothing, SIZE),
        (many_headers, nothing, 150_000),
        (named_headers, nothing, SIZE),
        (plain, wide_id, 5 * SIZE),
        (plain, deletion, 2 * SIZE),
    ],
    ids=["header", "many headers", "name of a header", "wide id", "delete"],
)
def test_what_is_held_counts(
    headers_of: Callable[[int], Headers | None], fields_of: Callable[[int], dict[str, object]], held: int
) -> None:
    """Reading stops at the limit, and every byte that was counted is taken off again."""
    policy = EnginePolicy("tray", workflows=(WorkflowPolicy("orders"),), limits=Limits(max_open_bytes=LIMIT))
    world = EngineWorld("orders", policy=policy)
    tp = TopicPartition(world.partitions[0].topic, 0)
    world.workflows["orders"].script = lambda _request: Answer(503)
    world.assign_all()
    for first in range(0, 3 * BATCH, BATCH):
        for number in range(first, first + BATCH):
            own = {"userId": f"u{number}", "messageId": f"m{number}", **fields_of(number)}
            event = json.dumps({"type": "track", "event": "e", **own}, ensure_ascii=False)
            world.broker.append(tp, event.encode(), headers=headers_of(number))
        world.clock.jump(5)
    count = sum(world.stats.open_events.values())
    assert count == BATCH
    assert BATCH * held <= world.stats.open_bytes
    world.workflows["orders"].script = statuses()
    world.run()
    assert world.stats.open_bytes == 0

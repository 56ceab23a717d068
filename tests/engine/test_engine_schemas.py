"""A record whose schema is not known yet holds its partition back, and nothing is lost or dead-lettered for it."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from support.engine_world import EngineWorld, event
from support.manual_clock import ManualClock

from stream.model.ports import ValueReader


class BehindTheFrame:
    """Reads values that are JSON behind their frame."""

    def read(self, body: bytes, start: int) -> bytes:
        """What follows the frame."""
        return body[start:]


class MemorySchemas:
    """Fulfils `Schemas`: a registry that answers after a second, or not at all."""

    def __init__(self) -> None:
        self.trouble = ""
        self.is_silent = False
        self.asked: list[int] = []
        self.unknown: set[int] = set()
        self.clock: ManualClock | None = None
        self._known: set[int] = set()

    def reader(self, schema_id: int) -> ValueReader | str | None:
        """How values are read, once it was asked for."""
        if schema_id not in self._known:
            return None
        return "unknown" if schema_id in self.unknown else BehindTheFrame()

    def fetch(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        """Answer later, by what is the case then."""
        self.asked.append(schema_id)
        assert self.clock is not None
        if not self.is_silent:
            self.clock.call_at(self.clock.monotonic() + 1, lambda: self._answer(schema_id, on_fetched))

    def _answer(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        if not self.trouble:
            self._known.add(schema_id)
        on_fetched(self.trouble)


def world_with(schemas: MemorySchemas, partitions: int = 1) -> EngineWorld:
    """A world whose engine asks these schemas."""
    world = EngineWorld(partitions=partitions, schemas=schemas)
    schemas.clock = world.clock
    return world


def put_framed(world: EngineWorld, user: str, schema_id: int = 7, partition: int = 0) -> None:
    """One event behind a frame."""
    tp = world.partitions[partition]
    body = orjson.dumps(event(user, f"{partition}-{world.broker.ends[tp]}"))
    world.broker.append(tp, b"\x00" + schema_id.to_bytes(4, "big") + body, key=user.encode())


def test_events_wait_for_their_schema_and_are_delivered_in_order() -> None:
    """It is asked for once, for all partitions."""
    schemas = MemorySchemas()
    world = world_with(schemas, partitions=2)
    for number in range(20):
        put_framed(world, f"u{number % 3}", partition=number % 2)
    world.assign_all()
    world.run()
    assert schemas.asked == [7]
    assert world.stats.settled["events", "delivered"] == 20
    assert world.stats.schema_requests["answered"] == 1
    assert not world.dead_letters.letters


def test_a_registry_that_is_away_holds_back_its_partition_alone() -> None:
    """Plain events of other partitions flow; afterwards nothing is missing, and nothing was dead-lettered."""
    schemas = MemorySchemas()
    schemas.trouble = "it answers 503"
    world = world_with(schemas, partitions=2)
    for number in range(10):
        world.put(f"u{number}", partition=1)
        put_framed(world, f"u{number}")
    world.assign_all()
    world.clock.jump(600)
    assert (world.committed(0), world.committed(1)) == (0, 10)
    assert world.stats.partitions_awaiting_schema == 1
    assert world.stats.schema_requests["failed"] >= 600 / 16
    schemas.trouble = ""
    world.run()
    assert world.stats.settled["events", "delivered"] == 20
    assert not world.dead_letters.letters
    world.clock.jump(2)
    assert world.stats.partitions_awaiting_schema == 0


def test_a_registry_that_never_answers_is_asked_again() -> None:
    """A question without an answer is given up after a while."""
    schemas = MemorySchemas()
    schemas.is_silent = True
    world = world_with(schemas)
    put_framed(world, "u")
    world.assign_all()
    world.clock.jump(120)
    assert len(schemas.asked) > 2
    schemas.is_silent = False
    world.run()
    assert world.stats.settled["events", "delivered"] == 1


def test_what_waits_for_a_schema_is_received_again_after_a_revocation() -> None:
    """It was not admitted, so nothing of it is committed, and an answer that comes later changes nothing."""
    schemas = MemorySchemas()
    schemas.trouble = "away"
    world = world_with(schemas)
    world.put("first")
    put_framed(world, "second")
    world.assign_all()
    world.clock.jump(30)
    world.member.revoke(*world.partitions)
    world.clock.jump(30)
    assert world.committed() == 1
    assert world.stats.partitions_awaiting_schema == 0
    schemas.trouble = ""
    world.clock.jump(60)
    world.assign_all()
    world.run()
    assert world.stats.settled["events", "delivered"] == 2


def test_an_id_that_the_registry_does_not_know_is_an_invalid_event() -> None:
    """The registry has said so: it becomes a dead letter, and the partition is read on."""
    schemas = MemorySchemas()
    schemas.unknown = {9}
    world = world_with(schemas)
    put_framed(world, "u", 9)
    world.put("u")
    put_framed(world, "u", 7)
    world.assign_all()
    world.run()
    assert [letter.reason for letter in world.dead_letters.letters] == ["invalid_event"]
    assert world.stats.settled["events", "delivered"] == 2

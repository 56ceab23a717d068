"""How many partitions a group reads, and how many it must not, is known at every moment."""

from __future__ import annotations

from support.engine_world import EngineWorld

from stream.model.source import DataLoss


def reading(partitions: int) -> EngineWorld:
    """A world whose engine owns every partition."""
    world = EngineWorld(partitions=partitions)
    world.member.assign(*world.partitions)
    world.clock.jump(2)
    return world


def test_assigned_partitions_are_counted_until_they_go() -> None:
    """Granted, lost, granted again; an assignment is an answer of Kafka's."""
    world = reading(3)
    assert (world.stats.partitions_assigned, world.stats.contact.is_up) == (3, True)
    world.member.lose(*world.partitions[:2])
    world.clock.jump(1)
    assert world.stats.partitions_assigned == 1
    world.member.lose(world.partitions[2])
    world.clock.jump(1)
    assert world.stats.partitions_assigned == 0


def test_a_halted_partition_is_counted_until_it_goes() -> None:
    """Also one whose committed offset lies beyond the end, where no lag and no loss can be counted."""
    world = reading(2)
    tp = world.partitions[0]
    world.engine.on_data_loss(DataLoss(tp, first=100, resume=7, skipped=False))
    assert (world.stats.partitions_halted, world.stats.records_lost[tp]) == (1, 0)
    world.clock.jump(5)
    assert world.stats.partitions_halted == 1
    world.member.lose(tp)
    world.clock.jump(1)
    assert (world.stats.partitions_halted, world.stats.partitions_assigned) == (0, 1)


def test_nothing_is_owned_once_the_engine_has_stopped_or_failed() -> None:
    """Neither assigned nor halted."""
    for end in ("stop", "fail"):
        world = reading(2)
        world.engine.on_data_loss(DataLoss(world.partitions[0], first=9, resume=20, skipped=False))
        getattr(world.engine, end)()
        assert (world.stats.partitions_assigned, world.stats.partitions_halted) == (0, 0)


def test_a_loss_that_is_skipped_halts_nothing() -> None:
    """Reading goes on at once."""
    world = reading(1)
    world.engine.on_data_loss(DataLoss(world.partitions[0], first=5, resume=9, skipped=True))
    assert world.stats.partitions_halted == 0

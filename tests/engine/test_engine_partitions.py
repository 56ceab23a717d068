"""How many partitions a group reads, and how many it must not, is known at every moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.engine_world import GROUP, EngineWorld

from stream.model.commit_map import CommitMap, Range, encode, name_hash
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


@pytest.mark.parametrize(
    ("done", "lost"),
    [
        ({"orders": [(5, 95)], "sessions": [(5, 95)]}, 10),
        ({"orders": [(5, 95), (97, 100)], "sessions": [(0, 2), (5, 95), (99, 100)]}, 9),
        ({"orders": [(5, 60)], "sessions": [(40, 95)]}, 80),
        ({"orders": [(5, 95)], "sessions": []}, 100),
        ({"orders": [(5, 95)]}, 100),
        ({}, 100),
    ],
)
@pytest.mark.parametrize("skipped", [True, False])
def test_offsets_that_every_workflow_was_done_with_are_not_counted_as_lost(
    done: dict[str, list[Range]], lost: int, skipped: bool
) -> None:
    """The commit's map says so of records beyond the committed offset; retention may take those."""
    world = EngineWorld("orders", "sessions")
    tp = world.partitions[0]
    world.broker.skip(tp, 120)
    ranges = {name_hash(name): found for name, found in done.items()}
    world.broker.store(GROUP, tp, 0, encode(CommitMap(0, ranges), 4000))
    world.member.assign(tp)
    world.engine.on_data_loss(DataLoss(tp, first=0, resume=100, skipped=skipped, end=120))
    assert world.stats.records_lost[tp] == lost


def test_a_map_of_a_topic_that_is_gone_says_nothing_of_what_is_lost() -> None:
    """How much the old topic held is not known: at least one record that was not read, or none."""
    world = EngineWorld()
    tp = world.partitions[0]
    world.broker.skip(tp, 120)
    world.broker.store(GROUP, tp, 0, encode(CommitMap(0, {name_hash("orders"): [(0, 100)]}), 4000))
    world.member.assign(tp)
    loss = DataLoss(tp, first=0, resume=0, skipped=False, end=120, is_replaced=True)
    world.engine.on_data_loss(loss)
    assert world.stats.records_lost[tp] == 1
    world.engine.on_data_loss(replace(loss, was_read=True))
    assert world.stats.records_lost[tp] == 1


@pytest.mark.parametrize(("first", "end", "lost"), [(100, 40, 60), (100, 0, 100), (100, -1, 0)])
def test_records_between_the_end_and_an_offset_beyond_it_are_counted(first: int, end: int, lost: int) -> None:
    """The topic holds fewer records than were committed; where its end is not known none are counted."""
    world = reading(1)
    tp = world.partitions[0]
    world.engine.on_data_loss(DataLoss(tp, first=first, resume=0, skipped=False, end=end))
    assert world.stats.records_lost[tp] == lost

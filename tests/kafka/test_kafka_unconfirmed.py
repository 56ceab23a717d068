"""What comes of a topic that was silent waits until the topic is known to be the same still."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from stream.kafka.assignment import Assignment
from stream.kafka.batches import Polled
from stream.kafka.topic_ids import TopicDescriber, TopicIds
from stream.kafka.unconfirmed import GIVE_UP_S, LOW, SILENT_S, UnconfirmedRecords
from stream.model.records import Record, RecordBatch, TopicPartition

TP = TopicPartition("events", 0)
OTHER = TopicPartition("events", 1)
ID = "2uunggQMRSWKNVu1zzpjfQ"


class Cluster(TopicDescriber):
    """Gives the ids that it has at that moment."""

    def __init__(self) -> None:
        super().__init__({})
        self.has: dict[str, str] = {"events": ID}

    def ask(self, topics: Collection[str]) -> Mapping[str, Future[Any]]:
        answers: dict[str, Future[Any]] = {topic: Future() for topic in topics}
        for topic, answer in answers.items():
            answer.set_result(SimpleNamespace(topic_id=self.has.get(topic, "")))
        return answers


class World:
    """Two partitions that were read, of a topic whose id is known."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cluster = Cluster()
        self.ids = TopicIds(self.cluster)
        self.assignment = Assignment()
        self.assignment.epochs |= {TP: 1, OTHER: 2}
        self.unconfirmed = UnconfirmedRecords(self.ids, self.assignment, lambda: self.now)
        self.ask()
        self.come(28)

    def ask(self) -> None:
        """A question, and its answer."""
        self.ids.ask({"events"})
        self.ids.look()

    def come(self, first: int = 30, tp: TopicPartition = TP, epoch: int = 1) -> list[int]:
        """Two records are polled; the offsets of those that pass."""
        records = [Record(*tp, offset, -1, None, b"{}") for offset in (first, first + 1)]
        return offsets(self.unconfirmed.sift(Polled([RecordBatch(tp, epoch, records)], [(tp, epoch, first + 2)])))

    def take(self) -> list[int]:
        """Offsets of what is no longer in doubt."""
        return offsets(self.unconfirmed.take())


def offsets(polled: Polled) -> list[int]:
    """Of all that was polled."""
    return [record.offset for batch in polled.batches for record in batch.records]


@pytest.fixture
def world() -> World:
    """A world of a test's own."""
    return World()


def test_what_follows_at_once_passes(world: World) -> None:
    """No topic is deleted, created and filled while the client fetches."""
    world.now += SILENT_S / 2
    assert world.come() == [30, 31]
    assert not world.unconfirmed.is_any


def test_what_comes_after_a_while_waits_for_an_answer_to_a_later_question(world: World) -> None:
    """The topic's next records wait with it, its other partitions too, and the ends."""
    world.ids.ask({"events"})
    world.now += SILENT_S
    assert world.come() == []
    world.ids.look()
    assert world.take() == []
    assert world.come(32) == []
    assert world.come(30, OTHER, 2) == []
    assert world.ids.is_demanded
    world.ask()
    confirmed = world.unconfirmed.take()
    assert offsets(confirmed) == [30, 31, 32, 33, 30, 31]
    assert confirmed.ends == [(TP, 1, 34), (OTHER, 2, 32)]
    assert not world.unconfirmed.is_any
    assert world.come(34) == [34, 35]


@pytest.mark.parametrize("known", [True, False])
def test_where_it_cannot_be_another_topic_nothing_waits(world: World, known: bool) -> None:
    """A topic that was just created is not so long, and a cluster without ids cannot tell."""
    world.now += 60
    if not known:
        world.ids.forget(["events"])
    first = LOW if known else 30
    assert world.come(first) == [first, first + 1]


def test_what_is_of_another_topic_is_dropped(world: World) -> None:
    """Its partition is stopped, or has a new epoch already, when the answer comes."""
    world.now += 60
    assert world.come() == world.come(30, OTHER, 2) == []
    world.assignment.stopped.add(TP)
    world.assignment.epochs[OTHER] = 3
    world.ask()
    assert world.take() == []
    assert not world.unconfirmed.is_any


def test_an_end_is_kept_although_the_records_beside_it_are_dropped(world: World) -> None:
    """Another partition came to its end meanwhile; it is not fetched again only to learn that."""
    world.now += 60
    assert world.come() == []
    world.unconfirmed.sift(Polled(ends=[(OTHER, 2, 40)]))
    del world.assignment.epochs[TP]
    world.ask()
    confirmed = world.unconfirmed.take()
    assert (offsets(confirmed), confirmed.ends) == ([], [(OTHER, 2, 40)])


def test_a_topic_of_which_any_partition_brings_something_is_not_silent(world: World) -> None:
    """A partition alone may be idle for long; a deletion takes all of them."""
    for _ in range(10):
        world.now += SILENT_S / 2
        assert world.come(30) == [30, 31]
    assert world.come(30, OTHER, 2) == [30, 31]


def test_an_id_that_is_not_given_is_asked_for_again_and_then_done_without(world: World) -> None:
    """The broker that answers may not know the topic yet; events do not wait for good."""
    world.now += 60
    world.cluster.has.clear()
    assert world.come() == []
    world.ask()
    assert world.take() == []
    assert world.ids.is_demanded
    world.now += GIVE_UP_S
    assert world.take() == [30, 31]

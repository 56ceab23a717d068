"""Lanes and limits of one workflow."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from stream.engine.delivery import Delivery, DeliveryState, OpenEvent
from stream.engine.dispatcher import Dispatcher, lane_of
from stream.engine.partition import PartitionState
from stream.model.events import Event
from stream.model.records import Record, TopicPartition
from stream.model.source import StartedPartition


def make_partition(partition: int = 0) -> PartitionState:
    """A fresh partition with one workflow."""
    return PartitionState.begin(StartedPartition(TopicPartition("t", partition), 1, 0, None), [[]])


def make_delivery(partition: PartitionState, offset: int, lane: str | None, queued_at: float = 0.0) -> Delivery:
    """A delivery of the event at `offset`."""
    record = Record("t", partition.tp.partition, offset, -1, lane.encode() if lane else None, b"{}")
    event = Event(record, b"{}", "track", lane, None, {})
    return Delivery(OpenEvent(event, partition, 1), 0, partition.workflows[0], lane, queued_at)


def taken(dispatcher: Dispatcher, limit: int = 100) -> list[int]:
    """Offsets of everything that may start now, with at most `limit` in flight."""
    return [d.open_event.event.record.offset for d in dispatcher.take(limit - dispatcher.in_flight)]


def test_a_lane_sends_one_at_a_time() -> None:
    """Events of one lane start one after the other; other lanes pass."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    deliveries = [make_delivery(partition, offset, lane) for offset, lane in enumerate(["a", "a", "b", "a"])]
    for delivery in deliveries:
        dispatcher.offer([delivery])
    assert taken(dispatcher) == [0, 2]
    for done, following in [(0, [1]), (2, []), (1, [3])]:
        dispatcher.land()
        dispatcher.release([deliveries[done]])
        assert taken(dispatcher) == following


def test_a_retry_keeps_its_lane() -> None:
    """While an event backs off nothing of its lane starts; it goes first when it resumes."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    first, second = make_delivery(partition, 0, "a"), make_delivery(partition, 1, "a")
    dispatcher.offer([first])
    dispatcher.offer([second])
    assert taken(dispatcher) == [0]
    dispatcher.back_off(first)
    assert (taken(dispatcher), dispatcher.in_flight, dispatcher.waiting) == ([], 0, 2)
    dispatcher.resume(first)
    assert taken(dispatcher) == [0]


def test_no_lane_waits_for_nobody() -> None:
    """Without a lane everything may start at once, in the order of the topic."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    for offset in range(5):
        dispatcher.offer([make_delivery(partition, offset, None)])
    assert taken(dispatcher, limit=3) == [0, 1, 2]
    dispatcher.land()
    assert taken(dispatcher, limit=3) == [3]


def test_the_same_user_in_two_partitions_has_two_lanes() -> None:
    """Order is kept within a partition."""
    dispatcher = Dispatcher(0, 1000)
    for partition in (make_partition(0), make_partition(1)):
        dispatcher.offer([make_delivery(partition, 7, "a")])
    assert taken(dispatcher) == [7, 7]


def test_followers_inherit_the_retry_clock_but_not_from_before_they_came() -> None:
    """An event's clock starts at the first attempt of what it waits behind, or when it was queued, if later."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    head = make_delivery(partition, 0, "a", queued_at=0)
    early, late = make_delivery(partition, 1, "a", queued_at=2), make_delivery(partition, 2, "a", queued_at=9)
    for delivery in (head, early, late):
        dispatcher.offer([delivery])
    head.clock_start = 5.0
    dispatcher.take(1)
    dispatcher.release([head])
    dispatcher.release([early])
    assert (early.clock_start, late.clock_start) == (5.0, 9)


def test_forgetting_a_partition_leaves_the_others() -> None:
    """What waits for a revoked partition is dropped, ready or in its lane; the rest stays."""
    dispatcher, gone, kept = Dispatcher(0, 1000), make_partition(0), make_partition(1)
    for offset, lane in enumerate(["a", "a", "b"]):
        dispatcher.offer([make_delivery(gone, offset, lane)])
    dispatcher.offer([make_delivery(kept, 40, "a")])
    dispatcher.take(1)
    dispatcher.forget(gone)
    assert (dispatcher.waiting, dispatcher.in_flight) == (1, 1)
    dispatcher.land()
    assert taken(dispatcher) == [40]


def test_lane_rules() -> None:
    """Each ordering has its lane: the user, the key (none without one), the partition, or none."""
    record = Record("t", 0, 3, -1, b"k", b"{}")
    event = Event(record, b"{}", "track", "u", None, {})
    keyless = Event(Record("t", 0, 4, -1, None, b"{}"), b"{}", "track", None, None, {})
    assert [lane_of(rule)(event) for rule in ("user", "key", "none")] == ["u", b"k", None]
    assert lane_of("partition")(event) == lane_of("partition")(keyless) is not None
    assert [lane_of(rule)(keyless) for rule in ("user", "key")] == [None, None]


@given(
    lanes=st.lists(st.sampled_from([None, "a", "b", "c"]), max_size=40),
    limit=st.integers(1, 5),
    data=st.data(),
)
def test_every_schedule_keeps_order_and_loses_nothing(lanes: list[str | None], limit: int, data: st.DataObject) -> None:
    """Whatever is retried or finished when, each lane goes in offset order, one at a time, and all of it ends."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    for offset, lane in enumerate(lanes):
        dispatcher.offer([make_delivery(partition, offset, lane)])
    flying: list[Delivery] = []
    resting: list[Delivery] = []
    done: list[int] = []
    while len(done) < len(lanes):
        flying += dispatcher.take(limit - dispatcher.in_flight)
        assert len(flying) <= limit
        in_lanes = [d.lane for d in [*flying, *resting] if d.lane is not None]
        assert len(in_lanes) == len(set(in_lanes))
        assert dispatcher.waiting + dispatcher.in_flight + len(done) == len(lanes)
        if resting and (not flying or data.draw(st.booleans())):
            dispatcher.resume(resting.pop(data.draw(st.integers(0, len(resting) - 1))))
            continue
        delivery = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
        if data.draw(st.booleans()):
            dispatcher.back_off(delivery)
            resting.append(delivery)
            continue
        dispatcher.land()
        dispatcher.release([delivery])
        done.append(delivery.open_event.event.record.offset)
    by_lane = defaultdict(list)
    for offset in done:
        by_lane[lanes[offset]].append(offset)
    by_lane.pop(None, None)
    assert by_lane == {lane: sorted(offsets) for lane, offsets in by_lane.items()}
    assert not partition.workflows[0].lanes


def test_a_failed_probe_goes_behind_every_other_lane() -> None:
    """Probes go round the lanes; once the gate is open the probed ones, which are the oldest, go first."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    for offset, lane in enumerate(["a", "b", "c"]):
        dispatcher.offer([make_delivery(partition, offset, lane)])
    probed = []
    for _ in range(4):
        delivery = dispatcher.take_probe()
        probed.append(delivery.lane)
        dispatcher.back_off(delivery)
        dispatcher.requeue_probed(delivery)
    assert probed == ["a", "b", "c", "a"]
    dispatcher.offer([make_delivery(partition, 3, "d")])
    assert taken(dispatcher, limit=2) == [1, 2]
    assert taken(dispatcher, limit=4) == [0, 3]


def test_all_that_ends_together_is_released() -> None:
    """Whether anything follows in its lane or not."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    deliveries = [make_delivery(partition, offset, lane) for offset, lane in enumerate("abcbc")]
    dispatcher.offer(deliveries)
    assert (dispatcher.offered, taken(dispatcher)) == (5, [0, 1, 2])
    end(dispatcher, *deliveries[:3])
    assert taken(dispatcher) == [3, 4]
    dispatcher.offer([make_delivery(partition, 5, "d")])
    assert (dispatcher.offered, dispatcher.waiting) == (6, 1)


def in_other_lanes(before: str, after: str) -> tuple[Dispatcher, list[Delivery]]:
    """Deliveries in the lanes `after`; those that the lanes `before` let start are in flight."""
    dispatcher, partition = Dispatcher(0, 1000), make_partition()
    deliveries = [make_delivery(partition, offset, lane) for offset, lane in enumerate(before)]
    partition.workflows[0].pending.update(enumerate(deliveries))
    dispatcher.offer(deliveries)
    dispatcher.take(100)
    dispatcher.rebuild(partition.workflows, lambda event: after[event.record.offset], 1000)
    return dispatcher, deliveries


def end(dispatcher: Dispatcher, *deliveries: Delivery) -> None:
    """They are delivered."""
    dispatcher.land(len(deliveries))
    dispatcher.release(deliveries)


def test_a_lane_that_several_hold_is_free_after_the_last_of_them() -> None:
    """What was in flight when the lanes changed keeps what follows waiting, in whichever order it ends."""
    dispatcher, (a, b, c, follower) = in_other_lanes("abca", "xxxx")
    for done in (b, a):
        end(dispatcher, done)
        assert (taken(dispatcher), dispatcher.waiting) == ([], 1)
    end(dispatcher, c)
    assert taken(dispatcher) == [3]
    end(dispatcher, follower)
    assert (dispatcher.waiting, dispatcher.in_flight) == (0, 0)


def test_a_lane_that_one_holds_is_free_after_it_while_several_hold_another() -> None:
    """Each of those that end together frees its own."""
    dispatcher, (a, _, _, d, *_) = in_other_lanes("abcddd", "xxxyyx")
    end(dispatcher, a, d)
    assert taken(dispatcher) == [4]


def test_what_is_given_up_holds_no_lane() -> None:
    """What comes after it in its partition is laid anew all the same."""
    dispatcher, (given_up, second, _) = in_other_lanes("xyy", "xyy")
    given_up.state = DeliveryState.GIVING_UP
    dispatcher.rebuild([given_up.partition_workflow], lambda _event: "z", 1000)
    assert taken(dispatcher) == []
    end(dispatcher, second)
    assert taken(dispatcher) == [2]


def test_what_is_ready_stays_ready_when_the_lanes_change() -> None:
    """Of every partition: what has resumed, was probed, followed another, or never started."""
    dispatcher, first, second = Dispatcher(0, 1000), make_partition(0), make_partition(1)
    deliveries = [make_delivery(first, offset, lane) for offset, lane in enumerate("abcc")]
    other = make_delivery(second, 9, "a")
    dispatcher.offer([*deliveries, other])
    resumed, probed, done = dispatcher.take(3)
    for delivery in (resumed, probed):
        dispatcher.back_off(delivery)
    dispatcher.resume(resumed)
    dispatcher.requeue_probed(probed)
    end(dispatcher, done)
    first.workflows[0].pending.update({0: resumed, 1: probed, 3: deliveries[3]})
    second.workflows[0].pending[9] = other
    dispatcher.rebuild([first.workflows[0], second.workflows[0]], lane_of("user"), 1000)
    assert dispatcher.waiting == 4
    assert taken(dispatcher) == [1, 0, 9, 3]


def test_what_backed_off_is_forgotten_with_its_partition() -> None:
    """It waits like what never started; a probed one of another partition stays."""
    dispatcher, gone, kept = Dispatcher(0, 1000), make_partition(0), make_partition(1)
    deliveries = [make_delivery(gone, offset, lane) for offset, lane in enumerate("abcd")]
    dispatcher.offer([*deliveries, make_delivery(kept, 40, "a")])
    *first, other = dispatcher.take(5)
    for delivery in [*first[:3], other]:
        dispatcher.back_off(delivery)
    for delivery in (first[0], other):
        dispatcher.requeue_probed(delivery)
    assert gone.workflows[0].waiting == 3
    dispatcher.forget(gone)
    assert (dispatcher.waiting, gone.workflows[0].waiting, kept.workflows[0].waiting) == (1, 0, 1)
    assert taken(dispatcher) == [40]


def test_a_lane_that_is_too_long_is_told_until_half_of_it_is_gone() -> None:
    """A crowded lane is known as such, so that its partition is not read, and no longer at half the limit."""
    dispatcher, partition = Dispatcher(0, 4), make_partition()
    deliveries = [make_delivery(partition, offset, "a") for offset in range(6)]
    crowded = []
    for delivery in deliveries:
        dispatcher.offer([delivery])
        crowded.append(bool(partition.workflows[0].overfull_lanes))
    assert crowded == [False, False, False, False, True, True]
    for delivery in deliveries[:3]:
        dispatcher.take(1)
        dispatcher.land()
        dispatcher.release([delivery])
        crowded.append(bool(partition.workflows[0].overfull_lanes))
    assert crowded[6:] == [True, True, False]

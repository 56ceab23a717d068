"""Which delivery of one workflow is next: lanes keep the order.

A lane is held from the moment an event enters it until that event is done, through all its retries; the events
behind it wait in offset order. Every step costs the same however many lanes and partitions wait. Those that wait in one
lane are a list: a deque takes 760 bytes, and most lanes have one or two waiting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter

from stream.engine.delivery import Delivery, DeliveryState
from stream.engine.partition import PartitionState, PartitionWorkflow
from stream.model.events import Event

_WHOLE_PARTITION = "partition"
LaneRule = Callable[[Event], Hashable | None]
"""Gives an event its lane within its partition; None: no lane, it waits for nobody."""


def lane_of(ordering: str) -> LaneRule:
    """The rule of one setting of `ordering`."""
    rules: dict[str, LaneRule] = {
        "user": attrgetter("user"),
        "key": attrgetter("record.key"),
        "partition": lambda _event: _WHOLE_PARTITION,
        "none": lambda _event: None,
    }
    return rules[ordering]


class Dispatcher:
    """Deliveries of one workflow: offered → (lane) → ready → taken → backed off, or landed and released."""

    __slots__ = ("_max_lane_events", "_probed", "_ready", "in_flight", "offered", "waiting", "workflow")

    def __init__(self, workflow: int, max_lane_events: int) -> None:
        self.workflow = workflow
        """Index in the engine's list."""
        self.offered = 0
        """How many deliveries were ever offered."""
        self.in_flight = 0
        self.waiting = 0
        """Offered and not in flight: in a lane, ready, or in backoff."""
        self._max_lane_events = max_lane_events
        self._ready: deque[Delivery] = deque()
        self._probed: deque[Delivery] = deque()
        """Ready again after a failed probe, the one probed longest ago first."""

    @property
    def ready(self) -> int:
        """How many deliveries could start if they may."""
        return len(self._ready) + len(self._probed)

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """New deliveries in offset order; each is ready at once unless its lane is held."""
        self.offered += len(deliveries)
        self.waiting += len(deliveries)
        ready = self._ready
        for delivery in deliveries:  # READY, as they are made
            own, lane = delivery.partition_workflow, delivery.lane
            own.waiting += 1
            if lane is None:
                ready.append(delivery)
            elif lane not in own.lanes:
                own.lanes[lane] = None
                ready.append(delivery)
            else:
                self._queue(delivery, lane)

    def take(self, most: int) -> list[Delivery]:
        """The next deliveries at an open gate, at most so many, now in flight."""
        ready, probed = self._ready, self._probed
        taken = [probed.popleft() for _ in range(min(most, len(probed)))]
        taken += [ready.popleft() for _ in range(min(most - len(taken), len(ready)))]
        self._count_taken(taken, DeliveryState.IN_FLIGHT)
        return taken

    def take_probe(self) -> Delivery:
        """The delivery whose lane was probed longest ago, now in flight. Only when there is one."""
        taken = self._ready.popleft() if self._ready else self._probed.popleft()
        self._count_taken([taken], DeliveryState.PROBING)
        return taken

    def back_off(self, delivery: Delivery) -> None:
        """Its attempt is over and failed; it keeps its lane and waits until `resume` or `requeue_probed`."""
        self.in_flight -= 1
        self.waiting += 1
        delivery.partition_workflow.waiting += 1
        delivery.state = DeliveryState.BACKING_OFF

    def resume(self, delivery: Delivery) -> None:
        """Its backoff is over; it goes before those that never started."""
        delivery.state = DeliveryState.READY
        self._ready.appendleft(delivery)

    def requeue_probed(self, delivery: Delivery) -> None:
        """Its probe failed; every other lane is probed before it is again."""
        delivery.state = DeliveryState.READY
        self._probed.append(delivery)

    def land(self, count: int = 1) -> None:
        """Last attempts are over; their lanes stay held until `release`."""
        self.in_flight -= count

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """They are done with: the next of each lane is ready.

        It waited from its `queued_at` or its forerunner's start. A lane of a partition that stops is gone already.
        """
        for delivery in deliveries:
            own, lane = delivery.partition_workflow, delivery.lane
            if own.shared_lanes and self._still_held(delivery):
                continue
            behind = own.lanes.get(lane)
            if not behind:
                own.lanes.pop(lane, None)
                continue
            follower = behind.pop(0)
            if own.overfull_lanes and len(behind) * 2 <= self._max_lane_events:
                own.overfull_lanes.discard(lane)
            follower.clock_start = max(follower.queued_at, delivery.clock_start)
            follower.state = DeliveryState.READY
            self._ready.append(follower)

    def forget(self, partition: PartitionState) -> None:
        """Drop what waits for a partition that stops; what is in flight stays so until it lands."""
        self._ready = deque(d for d in self._ready if d.open_event.partition is not partition)
        self._probed = deque(d for d in self._probed if d.open_event.partition is not partition)
        own = partition.workflows[self.workflow]
        self.waiting -= own.waiting
        own.waiting = 0
        own.clear_lanes()

    def rebuild(self, parts: Sequence[PartitionWorkflow], lane_of: LaneRule, max_lane_events: int) -> None:
        """Put what is pending in these partitions into the lanes of another rule; what ended meanwhile is gone.

        What was ready, probed, in flight or in backoff stays so where its lane allows it. In flight and in backoff all
        keep their lanes: what follows them there waits until the last of them is done.
        """
        self._max_lane_events = max_lane_events
        eligible: set[Delivery] = set()
        for own in parts:
            eligible |= self._relay(own, lane_of)
        self._probed = deque(delivery for delivery in self._probed if delivery in eligible)
        first = [delivery for delivery in self._ready if delivery in eligible]
        known = {*first, *self._probed}
        self._ready = deque([*first, *(d for d in _by_offset(eligible) if d not in known)])
        self.waiting = sum(own.waiting for own in parts)

    def _relay(self, own: PartitionWorkflow, lane_of: LaneRule) -> set[Delivery]:
        """Lay the lanes of one partition anew; those that may start."""
        own.clear_lanes()
        pending = [delivery for _, delivery in sorted(own.pending.items())]
        own.waiting = sum(delivery.is_queued or delivery.state is DeliveryState.BACKING_OFF for delivery in pending)
        for delivery in pending:
            if delivery.state is DeliveryState.GIVING_UP:
                continue
            delivery.lane = lane_of(delivery.open_event.event)
            if not delivery.is_queued and delivery.lane is not None:
                self._hold(own, delivery.lane)
        return {delivery for delivery in pending if delivery.is_queued and self._may_start(own, delivery)}

    @staticmethod
    def _hold(own: PartitionWorkflow, lane: Hashable) -> None:
        if lane in own.lanes:
            own.shared_lanes[lane] = own.shared_lanes.get(lane, 0) + 1
        own.lanes[lane] = None

    def _may_start(self, own: PartitionWorkflow, delivery: Delivery) -> bool:
        delivery.state = DeliveryState.READY
        if delivery.lane is None:
            return True
        if delivery.lane in own.lanes:
            self._queue(delivery, delivery.lane)
            return False
        own.lanes[delivery.lane] = None
        return True

    @staticmethod
    def _still_held(delivery: Delivery) -> bool:
        """Whether others hold the lane of one that is done."""
        shared = delivery.partition_workflow.shared_lanes
        left = shared.get(delivery.lane, 0)
        if left > 1:
            shared[delivery.lane] = left - 1
        elif left:
            del shared[delivery.lane]
        return left > 0

    def _queue(self, delivery: Delivery, lane: Hashable) -> None:
        own = delivery.partition_workflow
        behind = own.lanes[lane]
        if behind is None:
            behind = own.lanes[lane] = []
        behind.append(delivery)
        delivery.state = DeliveryState.WAITING
        if len(behind) >= self._max_lane_events:
            own.overfull_lanes.add(lane)

    def _count_taken(self, taken: Sequence[Delivery], state: DeliveryState) -> None:
        self.in_flight += len(taken)
        self.waiting -= len(taken)
        for delivery in taken:
            delivery.state = state
            delivery.partition_workflow.waiting -= 1


def _by_offset(deliveries: Iterable[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=attrgetter("open_event.event.record.offset"))

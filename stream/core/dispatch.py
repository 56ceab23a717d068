"""Which delivery of one workflow is next: lanes keep the order.

A lane is held from the moment an event enters it until that event is done, through all its retries; the events
behind it wait in offset order. Every step costs the same however many events, lanes and partitions wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from stream.core.model import Event
from stream.core.tenure import Delivery, Tenure

_WHOLE_PARTITION = "partition"


def lane_of(ordering: str) -> Callable[[Event], Hashable | None]:
    """The rule that gives an event its lane within its partition; None: no lane, it waits for nobody."""
    rules: dict[str, Callable[[Event], Hashable | None]] = {
        "user": lambda event: event.user,
        "key": lambda event: event.record.key,
        "partition": lambda _event: _WHOLE_PARTITION,
        "none": lambda _event: None,
    }
    return rules[ordering]


class Dispatcher:
    """Deliveries of one workflow: offered → (lane) → ready → taken → backed off, or landed and released."""

    __slots__ = ("_max_lane_events", "_probed", "_ready", "in_flight", "waiting", "workflow")

    def __init__(self, workflow: int, max_lane_events: int) -> None:
        self.workflow = workflow
        """Index in the engine's list."""
        self.in_flight = 0
        self.waiting = 0
        """Offered and not in flight: in a lane, ready, or in backoff."""
        self._max_lane_events = max_lane_events
        self._ready: deque[Delivery] = deque()
        self._probed: deque[Delivery] = deque()
        """Ready again after a failed probe, the one probed longest ago first."""

    @property
    def has_ready(self) -> bool:
        """Whether a delivery could start if it may."""
        return bool(self._ready or self._probed)

    def offer(self, delivery: Delivery) -> None:
        """A new delivery; it is ready at once unless its lane is held."""
        self.waiting += 1
        share = delivery.open_event.tenure.shares[self.workflow]
        share.waiting += 1
        lane = delivery.lane
        if lane is not None:
            lanes = share.lanes
            if lane in lanes:
                behind = lanes[lane]
                if behind is None:
                    behind = lanes[lane] = deque()
                behind.append(delivery)
                if len(behind) >= self._max_lane_events:
                    share.crowded.add(lane)
                return
            lanes[lane] = None
        self._ready.append(delivery)

    def take(self) -> Delivery:
        """The next delivery at an open gate, now in flight. Only when there is one."""
        return self._taken(self._probed.popleft() if self._probed else self._ready.popleft())

    def take_probe(self) -> Delivery:
        """The delivery whose lane was probed longest ago, now in flight. Only when there is one."""
        return self._taken(self._ready.popleft() if self._ready else self._probed.popleft())

    def back_off(self, delivery: Delivery) -> None:
        """Its attempt is over and failed; it keeps its lane and waits until `resume` or `requeue_probed`."""
        self.in_flight -= 1
        self.waiting += 1
        delivery.open_event.tenure.shares[self.workflow].waiting += 1

    def resume(self, delivery: Delivery) -> None:
        """Its backoff is over; it goes before those that never started."""
        self._ready.appendleft(delivery)

    def requeue_probed(self, delivery: Delivery) -> None:
        """Its probe failed; every other lane is probed before it is again."""
        self._probed.append(delivery)

    def land(self) -> None:
        """A last attempt is over; its lane stays held until `release`."""
        self.in_flight -= 1

    def release(self, delivery: Delivery) -> None:
        """It is done with: the next of its lane is ready, and waited from `queued_at` or its forerunner's start."""
        lane = delivery.lane
        if lane is None:
            return
        share = delivery.open_event.tenure.shares[self.workflow]
        behind = share.lanes[lane]
        if not behind:
            del share.lanes[lane]
            share.crowded.discard(lane)
            return
        follower = behind.popleft()
        if share.crowded and len(behind) * 2 <= self._max_lane_events:
            share.crowded.discard(lane)
        follower.clock_start = max(follower.queued_at, delivery.clock_start)
        self._ready.append(follower)

    def forget(self, tenure: Tenure) -> None:
        """Drop what waits for a partition that stops; what is in flight stays so until it lands."""
        self._ready = deque(d for d in self._ready if d.open_event.tenure is not tenure)
        self._probed = deque(d for d in self._probed if d.open_event.tenure is not tenure)
        share = tenure.shares[self.workflow]
        self.waiting -= share.waiting
        share.waiting = 0
        share.lanes.clear()
        share.crowded.clear()

    def _taken(self, delivery: Delivery) -> Delivery:
        self.in_flight += 1
        self.waiting -= 1
        delivery.open_event.tenure.shares[self.workflow].waiting -= 1
        return delivery

"""Which delivery of one workflow may start now: lanes keep the order, `max_in_flight` keeps the bound.

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
    """Deliveries of one workflow: offered → (lane) → ready → taken → retried or finished."""

    __slots__ = ("_ready", "in_flight", "max_in_flight", "waiting")

    def __init__(self, max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self.in_flight = 0
        self.waiting = 0
        """Offered and not in flight: in a lane, ready, or in backoff."""
        self._ready: deque[Delivery] = deque()

    def offer(self, delivery: Delivery) -> None:
        """A new delivery; it is ready at once unless its lane is held."""
        self.waiting += 1
        tenure = delivery.open_event.tenure
        tenure.waiting[delivery.workflow] += 1
        lane = delivery.lane
        if lane is not None:
            lanes = tenure.lanes[delivery.workflow]
            if lane in lanes:
                behind = lanes[lane]
                if behind is None:
                    behind = lanes[lane] = deque()
                behind.append(delivery)
                return
            lanes[lane] = None
        self._ready.append(delivery)

    def take(self) -> Delivery | None:
        """The next delivery to start, now in flight; None when there is none or the limit is reached."""
        if self.in_flight >= self.max_in_flight or not self._ready:
            return None
        delivery = self._ready.popleft()
        self.in_flight += 1
        self.waiting -= 1
        delivery.open_event.tenure.waiting[delivery.workflow] -= 1
        return delivery

    def back_off(self, delivery: Delivery) -> None:
        """Its attempt is over and failed; it keeps its lane and waits until `resume`."""
        self.in_flight -= 1
        self.waiting += 1
        delivery.open_event.tenure.waiting[delivery.workflow] += 1

    def resume(self, delivery: Delivery) -> None:
        """Its backoff is over; it goes before those that never started."""
        self._ready.appendleft(delivery)

    def land(self) -> None:
        """A last attempt is over; its lane stays held until `release`."""
        self.in_flight -= 1

    def release(self, delivery: Delivery) -> None:
        """It is done with: the next of its lane is ready, and waited from `queued_at` or its forerunner's start."""
        if delivery.lane is None:
            return
        lanes = delivery.open_event.tenure.lanes[delivery.workflow]
        behind = lanes[delivery.lane]
        if not behind:
            del lanes[delivery.lane]
            return
        follower = behind.popleft()
        follower.clock_start = max(follower.queued_at, delivery.clock_start)
        self._ready.append(follower)

    def forget(self, tenure: Tenure, workflow: int) -> None:
        """Drop what waits for a partition that stops; what is in flight stays so until it lands."""
        self._ready = deque(d for d in self._ready if d.open_event.tenure is not tenure)
        self.waiting -= tenure.waiting[workflow]
        tenure.waiting[workflow] = 0
        tenure.lanes[workflow].clear()

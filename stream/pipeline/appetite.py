"""How far ahead is read: no further than is of use.

Every event that waits is memory that is cold when its turn comes; with the open limits full an event costs half as
much again as with a few hundred waiting. So nothing is taken while each workflow has plenty to send.
"""

from __future__ import annotations

from stream.core.ports import Cancel, Scheduler
from stream.pipeline.deliverer import Deliverer
from stream.pipeline.line import Line
from stream.pipeline.room import Room

LEAST = 256
"""A workflow has plenty when as many deliveries are ready as it may have requests in flight, and at least so many."""
LONGEST_S = 0.8
"""One batch more is taken after each hold of this length in which anything was delivered, since the source would drop
what it fetched ahead. While nothing is delivered it may: there is no telling when it will be wanted."""
LOOK_AGAIN_S = 0.1


class Appetite:
    """Holds the intake while every line has plenty, until one has half of that."""

    def __init__(self, deliverer: Deliverer, room: Room, clock: Scheduler) -> None:
        self._deliverer = deliverer
        self._room = room
        self._clock = clock
        self._held_at = 0.0
        self._delivered_before = 0
        self._timer: Cancel | None = None
        deliverer.on_pumped = self.after_sending

    def after_intake(self) -> None:
        """Records were admitted, and what may start was started."""
        if not self._room.is_held and all(line.ready >= _plenty(line) for line in self._deliverer.lines):
            self._held_at = self._clock.monotonic()
            self._delivered_before = self._delivered()
            self._room.hold(True)
            if self._timer is None:
                self._timer = self._clock.call_at(self._held_at + LONGEST_S, self._look)

    def after_sending(self, line: Line) -> None:
        """Deliveries of this line were started."""
        if self._room.is_held and line.ready * 2 <= _plenty(line):
            self._room.hold(False)

    def _look(self) -> None:
        self._timer = None
        if not self._room.is_held:
            return
        now, due_at = self._clock.monotonic(), self._held_at + LONGEST_S
        if now >= due_at and self._delivered() > self._delivered_before:
            self._room.hold(False)
        else:
            self._timer = self._clock.call_at(max(due_at, now + LOOK_AGAIN_S), self._look)

    def _delivered(self) -> int:
        return sum(line.stats.deliveries["delivered"] for line in self._deliverer.lines)


def _plenty(line: Line) -> int:
    return max(LEAST, line.pace.concurrency.limit)

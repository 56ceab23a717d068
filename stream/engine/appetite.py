"""How far ahead is read: no further than is of use.

Every event that waits is memory that is cold when its turn comes; with the open limits full an event costs half as
much again as with a few hundred waiting. So nothing is taken while the workflows that deliver have plenty to send and
what is read would hardly reach another one.
"""

from __future__ import annotations

from stream.engine.deliverer import Deliverer
from stream.engine.room import Room
from stream.engine.workflow import Line
from stream.model.ports import Cancel, Scheduler

LEAST = 256
"""A workflow has plenty when as many deliveries are ready as it may have requests in flight, and at least so many."""
FEW = 0.125
"""Reading on is of no use for workflows that are short of events when less than this part of what was offered lately
was for them: one that wants a type in a thousand would have the open limits filled with the others' events."""
LATELY = 1_000
"""Deliveries offered to one workflow that are looked back on, about."""
LONGEST_S = 0.8
"""One batch more is taken after each hold of this length in which anything was delivered, since the source would drop
what it fetched ahead. While nothing is delivered it may: there is no telling when it will be wanted."""
LOOK_AGAIN_S = 0.1


class Appetite:
    """Holds the intake while it would be of no use, until one of the workflows that had plenty has half of that."""

    def __init__(self, deliverer: Deliverer, room: Room, clock: Scheduler) -> None:
        self._deliverer = deliverer
        self._room = room
        self._clock = clock
        self._held_at = 0.0
        self._had_plenty: dict[Line, int] = {}
        """Lines on whose account nothing is taken, and how much each had delivered when the hold began."""
        self._stuck: dict[Line, int] = {}
        """Lines that delivered nothing during a hold, and how much they had delivered before."""
        self._offered: dict[Line, int] = {}
        """How many deliveries had been offered to each line when that was looked at last."""
        self._lately: dict[Line, float] = {}
        """How many were offered to each of late, each halving of one a halving of all."""
        self._timer: Cancel | None = None
        deliverer.on_pumped = self.after_sending

    def after_intake(self) -> None:
        """Records were admitted, and what may start was started."""
        self._count_offered()
        if not self._room.is_held and self._is_sated():
            self._held_at = self._clock.monotonic()
            self._had_plenty = {line: _delivered(line) for line in self._lines() if _has_plenty(line)}
            self._room.hold(True)
            if self._timer is None:
                self._timer = self._clock.call_at(self._held_at + LONGEST_S, self._look)

    def after_sending(self, line: Line) -> None:
        """Deliveries of this line were started."""
        if self._room.is_held and line in self._had_plenty and line.ready * 2 <= _plenty(line):
            self._room.hold(False)

    def _is_sated(self) -> bool:
        """Whether one more batch would be of no use."""
        full = [line for line in self._lines() if _has_plenty(line)]
        short = [line for line in self._lines() if not _has_plenty(line)]
        if not short:
            return True
        few = sum(self._lately.get(line, 0) for line in short) < FEW * sum(self._lately.values())
        return few and any(line.pace.gate.is_open and self._stuck.get(line) != _delivered(line) for line in full)

    def _count_offered(self) -> None:
        lately, offered = self._lately, {line: line.dispatcher.offered for line in self._lines()}
        self._lately = {line: lately.get(line, 0) + n - self._offered.get(line, 0) for line, n in offered.items()}
        self._offered = offered
        if max(self._lately.values(), default=0) > LATELY:
            self._lately = {line: count / 2 for line, count in self._lately.items()}

    def _look(self) -> None:
        self._timer = None
        if not self._room.is_held:
            return
        now, due_at = self._clock.monotonic(), self._held_at + LONGEST_S
        if now >= due_at and self._may_end():
            self._room.hold(False)
        else:
            self._timer = self._clock.call_at(max(due_at, now + LOOK_AGAIN_S), self._look)

    def _may_end(self) -> bool:
        """Whether anything was delivered, or a workflow is short of events while those that have plenty are stuck."""
        self._stuck = {line: before for line, before in self._had_plenty.items() if before == _delivered(line)}
        return len(self._stuck) < len(self._had_plenty) or not self._is_sated()

    def _lines(self) -> list[Line]:
        return [line for line in self._deliverer.lines if not line.is_removed]


def _has_plenty(line: Line) -> bool:
    return line.ready >= _plenty(line)


def _plenty(line: Line) -> int:
    return max(LEAST, line.pace.concurrency.limit)


def _delivered(line: Line) -> int:
    return line.stats.deliveries["delivered"]

"""One run of a replay: begun, watched until every partition is at its end, wound down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from stream.model.errors import DataLossError, StreamError
from stream.model.events import Settlement
from stream.model.ports import Logger
from stream.model.statistics import WorkflowStats
from stream.model.timeparse import format_time
from stream.replay.plan import ReplayPlan
from stream.replay.world import ReplayWorld
from stream.runtime.finite_run import FiniteRun
from stream.runtime.offset_watch import unfinished

Work = Mapping[str, tuple[int, int]]
"""How many are done and how many there are, of each workflow; they are worked on side by side."""


@dataclass(frozen=True)
class ReplayState:
    """How far it is. Offsets count those of earlier runs; the rest is of this run alone."""

    offsets: int
    """Offsets that are done: read, and nothing of them is open."""
    events: int
    """Deliveries; in a dry run, records that were looked at."""
    sent: dict[str, int] = field(default_factory=dict)
    """Deliveries by workflow."""
    dead_letters: dict[str, dict[str, int]] = field(default_factory=dict)
    """Dead letters by workflow and reason."""
    troubles: tuple[str, ...] = ()
    """What keeps workflows back at present."""
    expected: dict[str, int] = field(default_factory=dict)
    """Deliveries that the whole range comes to, by workflow: estimated from what was read, until all is."""
    is_read: bool = False
    """Every offset of the range is read."""

    def work(self, offsets: int) -> Work:
        """Deliveries done and expected, by workflow; offsets of so many as long as no delivery is expected."""
        if not any(self.expected.values()):
            return {"offsets": (self.offsets, offsets)}
        ended = {name: self.sent[name] + sum(self.dead_letters[name].values()) for name in self.expected}
        return {name: (min(ended[name], of), of) for name, of in self.expected.items()}


class ReplayRun(FiniteRun):
    """The life of one replay on the running event loop."""

    def __init__(self, world: ReplayWorld, plan: ReplayPlan, logger: Logger) -> None:
        super().__init__(logger)
        self.is_complete = False
        """Every partition came to its end."""
        self._world = world
        self._plan = plan
        self._ended: asyncio.Future[StreamError | None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """Read no more, wait for what is in flight, commit the progress."""
        self._world.owner.stop()

    def fail_engines(self) -> None:
        """Send and commit nothing more."""
        if self._world.engine is not None:
            self._world.engine.fail()

    def _look(self, show: Callable[[ReplayState], None]) -> bool:
        if not self._is_at_end():
            show(self.state())
            return True
        self.is_complete = not self._world.events.halted
        self.drain()
        return False

    def state(self) -> ReplayState:
        """How far it is now."""
        events, engine, plan = self._world.events, self._world.engine, self._plan
        read = sum(events.positions[tp] - stretch.first for tp, stretch in plan.stretches.items())
        if engine is None:
            return ReplayState(read, self._world.sieve.census.records)
        stats, of_each = engine.stats, engine.stats.workflows
        abandoned = sum(count for (_, end), count in stats.settled.items() if end == Settlement.ABANDONED)
        return ReplayState(
            offsets=read - stats.open_events.total() - abandoned,
            events=sum(of_one.deliveries["delivered"] for of_one in of_each.values()),
            sent={name: of_one.deliveries["delivered"] for name, of_one in of_each.items()},
            dead_letters={name: {r: n for r, n in s.dead_letters.items() if n} for name, s in of_each.items()},
            troubles=tuple(_troubles(of_each)),
            expected=self._expected(),
            is_read=self._read == plan.left,
        )

    @property
    def _read(self) -> int:
        """Offsets that this run has read."""
        return sum(self._world.events.positions[tp] - stretch.at for tp, stretch in self._plan.stretches.items())

    def _expected(self) -> dict[str, int]:
        """What is wanted of the rest is taken to be like what was read."""
        read, wanted = self._read, self._world.sieve.census.wanted
        return {name: round(types.total() * self._plan.left / max(1, read)) for name, types in wanted.items()}

    async def run(self, show: Callable[[ReplayState], None]) -> ReplayState:
        """Continue to the end, or until stopped; how far it came. `show` is called several times a second.

        Raises:
            DataLossError: records of the range were gone before they were read, and `on_data_loss = "stop"`.
            StreamError: it broke.
        """
        if self._world.engine is not None:
            self._world.engine.start()
        self._world.owner.begin(self._world.events, self._end)
        try:
            async with self.watched(partial(self._look, show)):
                error = self.fault or await self._ended
        finally:
            await self._world.close()
        if failure := self.fault or error:
            raise failure
        if self._world.events.halted and not self.is_stopping:
            raise DataLossError("Records of the range are gone from the topic; see the error lines above.")
        return self.state()

    def _end(self, error: StreamError | None) -> None:
        if not self._ended.done():
            self._ended.set_result(error)

    def _is_at_end(self) -> bool:
        events, engine = self._world.events, self._world.engine
        reached = events.positions if engine is None else engine.settled_up_to()
        ranges = {tp: (stretch.at, stretch.until) for tp, stretch in self._plan.stretches.items()}
        return not unfinished(ranges, reached, dict.fromkeys(events.halted, 2**63))


def _troubles(of_each: Mapping[str, WorkflowStats]) -> Iterator[str]:
    for name, stats in of_each.items():
        if stats.gate_closed_until is not None:
            again = format_time(int(stats.gate_closed_until) * 1000)
            yield f"{name} is failing: nothing but probes is sent, the next one at {again}"
        if stats.held:
            yield f"{name} holds {stats.held:,} events that it refused; they are tried again and again"

"""One engine in a process: opened, begun, watched, wound down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import partial

from stream.kafka.client_config import KafkaPolicy
from stream.model.errors import StreamError
from stream.model.ports import Logger
from stream.runtime.engine_runtime import EngineRuntime
from stream.runtime.offset_watch import OffsetWatch, Ranges, unfinished
from stream.runtime.totals import settled_fields, waiting_fields
from stream.telemetry.clock import SystemClock

REMIND_EVERY_S = 60.0


class Remaining(Enum):
    """What is left of the partitions that a process owns."""

    SOME = auto()
    """Records are consumed, or it is not known yet."""
    NONE = auto()
    """It owns no partition that is to be consumed."""
    ONLY_HALTED = auto()
    """Every partition that is not done is halted, since records of it were lost."""

    @staticmethod
    def of_all(parts: Iterable[Remaining]) -> Remaining:
        """What is left of several: the most that one of them has."""
        found = set(parts)
        if Remaining.SOME in found or not found:
            return Remaining.SOME
        return Remaining.ONLY_HALTED if Remaining.ONLY_HALTED in found else Remaining.NONE


class EngineRun:
    """The life of one engine on the running event loop. `ended` has what ended it, or None."""

    def __init__(
        self,
        world: EngineRuntime,
        kafka: KafkaPolicy,
        ranges: Ranges | None,
        logger: Logger,
        *,
        stays_when_halted: bool = False,
    ) -> None:
        """`stays_when_halted`: a member of the group also while all of its partitions are halted.

        The supervisor of several workers decides when none of them has anything left. Leaving would hand the
        partition that lost records to the next worker, and cost a rebalance.
        """
        self.world = world
        self.ended: asyncio.Future[StreamError | None] = asyncio.get_running_loop().create_future()
        self.has_lost = False
        """It ended by itself with partitions that could not be consumed, since records of theirs were lost."""
        self._watch = OffsetWatch(world.engine, kafka, logger)
        self._ranges = ranges
        self._stays_when_halted = stays_when_halted
        self._logger = logger
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def group(self) -> str:
        """Its consumer group."""
        return self.world.engine.stats.group

    def begin(self, on_joined: Callable[[], None]) -> None:
        """Join the group and continue until stopped, at the end of `ranges` if there are any, or broken."""
        engine, owner = self.world.engine, self.world.owner
        engine.start(on_joined)
        owner.begin(engine, self._end)
        self._tasks = [asyncio.create_task(self._watch.follow_ends()), asyncio.create_task(self._supervise())]
        if self._ranges is not None:
            self._tasks.append(asyncio.create_task(self._tell_waiting()))
        for task in self._tasks:
            task.add_done_callback(_raise_fault)

    def stop(self) -> None:
        """Drain, commit, leave the group."""
        self.world.owner.stop()

    def remaining(self) -> Remaining:
        """What is left of the partitions that it owns."""
        engine = self.world.engine
        halted, left = engine.halted(), engine.owned()
        if self._ranges is not None:
            left = unfinished({tp: self._ranges[tp] for tp in left & self._ranges.keys()}, engine.settled_up_to())
        if left - halted:
            return Remaining.SOME
        return Remaining.ONLY_HALTED if halted else Remaining.NONE

    def _end(self, error: StreamError | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    async def close(self) -> None:
        """Close everything that it stood on."""
        for task in self._tasks:
            task.cancel()
        await self._watch.close()
        await self.world.close()

    async def _supervise(self) -> None:
        """Ends it by itself: at the end of the topics, or when no partition is left to consume."""
        stats = self.world.engine.stats
        if self._ranges is not None:
            await self._watch.until_end(self._ranges)
            self._logger.info("The end of the topics is reached.", group=stats.group, **settled_fields(stats))
        elif self._stays_when_halted:
            return
        else:
            await self._watch.until_all_halted()
        self.has_lost = bool(self.world.engine.halted())
        self.stop()

    async def _tell_waiting(self) -> None:
        """Say every minute what keeps the run from its end."""
        stats, clock = self.world.engine.stats, SystemClock()
        while True:
            await asyncio.sleep(REMIND_EVERY_S)
            if self.ended.done():
                return
            for fields in waiting_fields(stats, clock.wall()):
                self._logger.info("The end of the topics is not reached: events wait.", group=stats.group, **fields)


def _raise_fault(task: asyncio.Task[None]) -> None:
    """From a callback of the event loop, so that its exception handler hears of it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


def joined_all(count: int, on_joined: Callable[[], None]) -> list[Callable[[], None]]:
    """One callback per engine; `on_joined` is called once each of them was."""
    missing = set(range(count))

    def joined(index: int) -> None:
        missing.discard(index)
        if not missing:
            on_joined()

    return [partial(joined, index) for index in range(count)]

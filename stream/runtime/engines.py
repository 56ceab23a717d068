"""The engines of a process while it runs: begun, given other settings, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from stream.model.errors import StreamError
from stream.model.statistics import EngineStats
from stream.runtime.endpoints import WorkflowEndpoint
from stream.runtime.engine_run import EngineRun, Remaining, joined_all
from stream.runtime.policies import GroupSpec
from stream.runtime.reload import EnginePlan
from stream.settings.model import Settings

OpenRun = Callable[[GroupSpec, Sequence[WorkflowEndpoint], EngineStats], EngineRun]


class Engines:
    """Runs until every engine has ended; the first that ends with an error stops the others.

    `all_stats` has the numbers of each engine; the list is kept current. `open_run` opens an engine, not begun yet.
    `on_closed` is called with each group whose engine has ended.
    """

    def __init__(
        self, all_stats: list[EngineStats], topics: Sequence[str], open_run: OpenRun, on_closed: Callable[[str], None]
    ) -> None:
        self.runs: list[EngineRun] = []
        self.has_lost = False
        """One ended by itself with partitions that could not be consumed."""
        self._all_stats = all_stats
        self._topics = topics
        self._open_run = open_run
        self._on_closed = on_closed
        self._error: StreamError | None = None
        self._is_stopping = False
        self._leaving: set[EngineRun] = set()
        """Their workflows are no longer configured."""
        self._returning: dict[str, tuple[GroupSpec, Sequence[WorkflowEndpoint]]] = {}
        """Engines that begin once the one before them in the same group has ended."""
        self._changed = asyncio.Event()

    def begin(self, engines: EnginePlan, on_joined: Callable[[], None]) -> None:
        """Open and begin each; `on_joined` is called once every one of them was assigned partitions, or none."""
        self.match_stats(engines)
        pairs = zip(engines, self._all_stats, strict=True)
        self.runs = [self._open_run(layout, endpoints, stats) for (layout, endpoints), stats in pairs]
        for run, joined in zip(self.runs, joined_all(len(self.runs), on_joined), strict=True):
            run.begin(joined)

    def match_stats(self, engines: EnginePlan) -> None:
        """Have numbers for exactly these engines; before any of them runs."""
        self._all_stats[:] = [self._stats_for(layout) for layout, _ in engines]

    def stop(self) -> None:
        """Let each drain, commit and end."""
        self._is_stopping = True
        self._returning.clear()
        for run in self.runs:
            run.stop()

    def apply(self, settings: Settings, engines: EnginePlan) -> None:
        """Give each engine its new settings, begin those that are new, end those that are no longer wanted."""
        wanted = {layout.group: (layout, endpoints) for layout, endpoints in engines}
        for run in self.runs:
            found = wanted.pop(run.group, None)
            if found is None:
                self._leaving.add(run)
                self._returning.pop(run.group, None)
                run.stop()
            elif run in self._leaving:
                self._returning[run.group] = found
            else:
                run.world.reconfigure(settings, *found)
        for layout, endpoints in wanted.values():
            self._add(layout, endpoints)

    def remaining(self) -> Remaining:
        """What is left of the partitions of all of them."""
        lost = [Remaining.ONLY_HALTED] if self.has_lost else []
        return Remaining.of_all([*lost, *(run.remaining() for run in self.runs)])

    async def until_ended(self) -> StreamError | None:
        """Wait for all of them, closing each that has ended; what the first one ended with."""
        try:
            while self.runs:
                await self._any_change()
                for run in [run for run in self.runs if run.ended.done()]:
                    await self._end(run)
        finally:
            for run in self.runs:
                self._on_closed(run.group)
                await run.close()
        return self._error

    async def _any_change(self) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        waited: list[asyncio.Future[Any]] = [changed, *(run.ended for run in self.runs)]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        changed.cancel()
        self._changed.clear()

    async def _end(self, run: EngineRun) -> None:
        self._on_closed(run.group)
        await run.close()
        self.runs.remove(run)
        self.has_lost = self.has_lost or (run.has_lost and run not in self._leaving)
        error = run.ended.result()
        if error is not None and self._error is None:
            self._error = error
            self.stop()
        if run in self._leaving:
            self._leaving.remove(run)
            self._forget_stats(run.world.engine.stats)
            if (found := self._returning.pop(run.group, None)) is not None:
                self._add(*found)

    def _add(self, layout: GroupSpec, endpoints: Sequence[WorkflowEndpoint]) -> None:
        if self._is_stopping:
            return
        stats = self._stats_for(layout)
        self._all_stats.append(stats)
        run = self._open_run(layout, endpoints, stats)
        self.runs.append(run)
        run.begin(lambda: None)
        self._changed.set()

    def _stats_for(self, layout: GroupSpec) -> EngineStats:
        names = [workflow.name for workflow in layout.workflows]
        for stats in self._all_stats:
            if stats.group == layout.group and list(stats.workflows) == names:
                return stats
        fresh = EngineStats(layout.group, self._topics, names)
        for stats in self._all_stats:  # before any engine runs: what was counted since the process began
            if stats.group == layout.group:
                fresh.config_reloads = stats.config_reloads
        return fresh

    def _forget_stats(self, stats: EngineStats) -> None:
        """Drop the engine's own numbers; keep the process's in another engine's."""
        self._all_stats.remove(stats)
        if self._all_stats:
            self._all_stats[0].config_reloads.update(stats.config_reloads)
            self._all_stats[0].dead_letter_writes.update(stats.dead_letter_writes)

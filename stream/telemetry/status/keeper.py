"""Keeps the status of one process: a sample a second, the last quarter of an hour, the last changes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from stream.model.amounts import counted
from stream.model.ports import Clock
from stream.model.statistics import EngineStats, TokenStats
from stream.telemetry.status.judge import sentence
from stream.telemetry.status.report import MOST_CHANGES, Change, ProcessStatus, most_lagging
from stream.telemetry.status.tracks import GroupTrack

SAMPLE_EVERY_S = 1.0


async def follow_status(keeper: StatusKeeper) -> None:
    """Sample until cancelled. A task of its own: what goes wrong in it concerns no delivery."""
    while True:
        keeper.sample()
        await asyncio.sleep(SAMPLE_EVERY_S)


class StatusKeeper:
    """From the event loop alone. `all_stats` may change; memory is bounded whatever happens."""

    def __init__(
        self, all_stats: Sequence[EngineStats], version: str, clock: Clock, token: TokenStats | None = None
    ) -> None:
        self._all_stats = all_stats
        self._token = token or TokenStats()
        self._version = version
        self._clock = clock
        self.started_at = clock.wall()
        self._groups: list[GroupTrack] = []
        self._changes: deque[Change] = deque(maxlen=MOST_CHANGES)
        self._is_up: bool | None = None
        """Whether Kafka answers; None: it has not yet."""
        self._reloads = {"ok": 0, "failed": 0}
        self._reloaded_at: float | None = None
        self._note("started", f"tray-stream {version} started.")

    def sample(self) -> None:
        """Look at the numbers; to be called once a second."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        tracks = {id(track.stats): track for track in self._groups}
        self._groups = [tracks.get(id(stats)) or GroupTrack(stats, wall) for stats in self._all_stats]
        self._look_at_reloads(wall)
        for group in self._groups:
            group.sample(now, wall)
            self._look_at_partitions(group)
            for track in group.workflows.values():
                if (found := track.sample(now, wall)) is not None:
                    self._note(found.state, sentence(track.name, found), group.stats.group, track.name)
        self._look_at_kafka()

    def status(self) -> ProcessStatus:
        """What is to be shown now."""
        self.sample()
        wall = self._clock.wall()
        return ProcessStatus(
            at=wall,
            version=self._version,
            workers=0,
            workers_up=0,
            reloads_failed=self._reloads["failed"],
            letters_failed=sum(group.letters_failed() for group in self._groups),
            groups=[group.status() for group in self._groups],
            workflows=[track.status(wall) for group in self._groups for track in group.workflows.values()],
            partitions=most_lagging(partition for group in self._groups for partition in group.partitions()),
            started_at=self.started_at,
            reloads=self._reloads["ok"],
            reloaded_at=self._reloaded_at,
            token_failing_since=self._token.failing_since,
            changes=list(self._changes)[::-1],
        )

    def _note(self, what: str, said: str, group: str | None = None, workflow: str | None = None) -> None:
        self._changes.append(Change(self._clock.wall(), what, said, group, workflow))

    def _look_at_reloads(self, wall: float) -> None:
        for result in self._reloads:
            count = sum(stats.config_reloads[result] for stats in self._all_stats)
            grew, self._reloads[result] = count > self._reloads[result], count
            if grew and result == "ok":
                self._reloaded_at = wall
                self._note("reloaded", "The settings were reloaded.")
            elif grew:
                self._note("reload_failed", "The settings were not reloaded; see the log.")

    def _look_at_kafka(self) -> None:
        is_up = all(group.stats.contact.is_up for group in self._groups)
        if is_up is self._is_up or (self._is_up is None and not is_up):
            return
        self._is_up = is_up
        self._note("kafka_up" if is_up else "kafka_down", "Kafka answers." if is_up else "Kafka is unreachable.")

    def _look_at_partitions(self, group: GroupTrack) -> None:
        stats, name = group.stats, group.stats.group
        if bool(stats.partitions_assigned) is not bool(group.owned):
            owned = stats.partitions_assigned
            has = counted(owned, "partition") if owned else "no partition"
            self._note("partitions" if owned else "no_partitions", f"{name} has {has} assigned.", name)
        if stats.partitions_halted > group.halted:
            count = counted(stats.partitions_halted, "partition")
            self._note("halted", f"{count} of {name} halted: records are gone.", name)
        group.owned, group.halted = stats.partitions_assigned, stats.partitions_halted

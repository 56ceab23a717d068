"""A process that is watched: its numbers, its status through JSON and back, as `top` gets it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.status.keeper import StatusKeeper
from stream.telemetry.status.merging import merged
from stream.telemetry.status.report import ProcessStatus, status_json
from stream.telemetry.status.summary import summarize
from stream.top.fetch import read_status

WALL = 1_795_498_217.0


def stats_of(group: str = "tray", workflows: Sequence[str] = ("orders", "privacy"), partitions: int = 2) -> EngineStats:
    """An engine that owns some partitions and has done nothing."""
    stats = EngineStats(group, ["seg"], workflows)
    for partition in range(partitions):
        stats.committed[TopicPartition("seg", partition)] = 0
        stats.ends[TopicPartition("seg", partition)] = 0
    stats.partitions_assigned = partitions
    stats.note_contact(Contact.answered(WALL))
    return stats


class Watched:
    """The status of some engines, sampled when a test says so."""

    def __init__(self, *engines: EngineStats) -> None:
        self.engines = list(engines)
        self._at = 0.0
        self.keeper = StatusKeeper(self.engines, "1.2.3", self)

    def monotonic(self) -> float:
        return self._at

    def wall(self) -> float:
        return WALL + self._at

    def sample(self, seconds: float) -> None:
        """Only look, so many seconds after the start."""
        self._at = seconds
        self.keeper.sample()

    def at(self, seconds: float) -> ProcessStatus:
        """The status so many seconds after the start."""
        self._at = seconds
        return self.keeper.status()


def text_of(status: ProcessStatus) -> str:
    """What /status.json answers."""
    return json.dumps(status_json(status, summarize(status).sentence))


def status_of(*engines: EngineStats, at: float = 0.0) -> ProcessStatus:
    """What `top` reads of a process that has just started."""
    return read_status(text_of(Watched(*engines).at(at)))


def workers_of(*engines: EngineStats, at: float = 0.0) -> ProcessStatus:
    """What `top` reads of workers, one for each engine."""
    parts = {str(number): Watched(engine).at(at) for number, engine in enumerate(engines)}
    return read_status(text_of(merged(parts)))

"""Scrapes as a processor gives them, from its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, generate_latest

from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.metrics import EngineCollector
from stream.top.snapshot import Snapshot, read_snapshot

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


def text_of(*engines: EngineStats) -> str:
    """What the endpoint would answer."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(engines, "1.2.3"))
    return generate_latest(registry).decode()


def snapshot_of(at: float, *engines: EngineStats) -> Snapshot:
    """A scrape at `at` (seconds)."""
    return read_snapshot(text_of(*engines), at, WALL + at)

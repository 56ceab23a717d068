"""What the commit that a partition starts from says of the offsets beyond it."""

from __future__ import annotations

from collections.abc import Sequence

from stream.model.commit_map import BadMapError, CommitMap, Range, decode
from stream.model.ports import Logger
from stream.model.source import StartedPartition
from stream.model.statistics import EngineStats


def restore(
    started: StartedPartition, hashes: Sequence[int | None], stats: EngineStats, logger: Logger
) -> list[list[Range]]:
    """Done ranges per workflow, in the order of `hashes`; empty for a workflow that the map does not name.

    Metadata of others, damaged, or left behind by a reset are ignored with a warning: events are then sent again.
    """
    found = CommitMap(started.start)
    if started.metadata and started.committed == started.start:
        try:
            found = decode(started.metadata, started.start)
        except BadMapError as error:
            logger.warning(
                "The commit's metadata is not a commit map and is ignored: events beyond it may be sent again.",
                topic=started.tp.topic,
                partition=started.tp.partition,
                reason=str(error),
            )
    _tell_removed(started, found, hashes, stats, logger)
    return [[] if workflow is None else list(found.of(workflow)) for workflow in hashes]


def _tell_removed(
    started: StartedPartition, found: CommitMap, hashes: Sequence[int | None], stats: EngineStats, logger: Logger
) -> None:
    """Events that waited for a workflow which is no longer configured end here; logged once, with count and range."""
    end = max((ranges[-1][1] for ranges in found.done.values() if ranges), default=found.base)
    for ranges in found.without(hashes):
        waiting = end - found.base - sum(high - low for low, high in ranges)
        if not waiting:
            continue
        stats.removed += waiting
        logger.warning(
            "A workflow was removed; what waited for it ends as filtered, reason removed.",
            topic=started.tp.topic,
            partition=started.tp.partition,
            offsets=waiting,
            first=found.base,
            last=end - 1,
        )

"""The progress of a replay, kept in the commits of a consumer group that never has members."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from stream.kafka.groups import GroupActiveError, Groups
from stream.kafka.progress import CommittedProgress
from stream.kafka.reader import OffsetReader
from stream.model.committed import Committed
from stream.model.errors import ConfigError, Problem
from stream.model.records import TopicPartition
from stream.replay.fingerprint import (
    BadProgressError,
    PartitionRange,
    ReplayFingerprint,
    ReplayProgress,
    read_progress,
    write_progress,
)

EVERY_TOPIC = ("^",)


class KeptProgress(NamedTuple):
    """What an earlier run has left of a partition."""

    progress: ReplayProgress
    stretch: PartitionRange


def kept_progress(reader: OffsetReader, groups: Groups, group: str) -> dict[TopicPartition, KeptProgress]:
    """What the group has committed, on whatever topic; empty when no replay of that name has begun. Blocking.

    Raises:
        ConfigError: the group is not a replay's.
        SourceError: Kafka does not answer.
    """
    try:
        groups.require_idle(group)
    except GroupActiveError as error:
        what = f"{group} is a consumer group with members, so a live one."
        raise ConfigError([Problem("--name", what, "Choose another name.")]) from error
    found = {}
    for tp, commit in groups.committed(group, reader.partitions(EVERY_TOPIC)).items():
        try:
            progress, done_map = read_progress(commit.metadata)
        except BadProgressError as error:
            what = f"the consumer group {group} has offsets that no replay has written."
            raise ConfigError([Problem("--name", what, "Choose another name.")]) from error
        at = min(commit.offset, progress.until)
        found[tp] = KeptProgress(progress, PartitionRange(progress.first, progress.until, at, done_map))
    return found


def take_over(
    groups: Groups, group: str, stretches: Mapping[TopicPartition, PartitionRange], asked: ReplayFingerprint
) -> CommittedProgress:
    """Write where this run begins, under a mark of its own, by which an earlier run that still goes on stops. Blocking.

    Raises:
        SourceError: Kafka did not store it.
    """
    run = uuid.uuid4().hex[:12]
    headings = {tp: write_progress(ReplayProgress(run, s.first, s.until, asked)) for tp, s in stretches.items()}
    groups.write(group, {tp: Committed(s.at, headings[tp] + s.done_map) for tp, s in stretches.items()})
    return CommittedProgress(headings, run)

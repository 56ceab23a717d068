"""`offsets show`: how far each group is on each partition, what is left, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.groups import GroupMember, Groups, GroupState
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.records import Record, TopicPartition
from stream.offsets.groups import Ranges, ranges_of
from stream.offsets.progress import PartitionProgress, progress_of

ALL = ("",)
"""Stands for the workflows where none is configured; no map names it, so nothing beyond the offset counts as done."""


@dataclass(frozen=True)
class PartitionOffsets:
    """One partition of one group."""

    tp: TopicPartition
    first: int
    end: int
    progress: PartitionProgress | None
    """None: the group has committed nothing here."""
    oldest: Record | None
    """The oldest record that some workflow is not done with; None: there is none."""
    member: GroupMember | None
    """Who has the partition now."""

    @property
    def lost(self) -> int:
        """Offsets that were not done with and are gone from the topic."""
        return max(0, self.first - self.progress.committed) if self.progress else 0

    @property
    def beyond_end(self) -> int:
        """How far the committed offset lies beyond the end: the topic was made anew, or the reset was wrong."""
        return max(0, self.progress.committed - self.end) if self.progress else 0


@dataclass(frozen=True)
class GroupOffsets:
    """One group."""

    group: str
    workflows: tuple[str, ...]
    state: GroupState
    partitions: Sequence[PartitionOffsets]

    def left_of(self, workflow: str) -> int:
        """Offsets that the workflow is not done with, on all partitions where the group has committed."""
        return sum(one.progress.left_of(workflow) for one in self.partitions if one.progress is not None)


def show_offsets(
    policy: KafkaPolicy, groups: Groups, workflows: Mapping[str, tuple[str, ...]], only: Mapping[str, frozenset[int]]
) -> list[GroupOffsets]:
    """Every group with its partitions. Blocking.

    Raises:
        MissingTopicError, ConfigError: topics or partitions do not exist.
    """
    ranges = ranges_of(policy, only)
    with RecordReader(reader_config(policy)) as reader:
        return [_standing(groups, reader, group, names or ALL, ranges) for group, names in workflows.items()]


def _standing(
    groups: Groups, reader: RecordReader, group: str, workflows: tuple[str, ...], ranges: Ranges
) -> GroupOffsets:
    commits = groups.committed(group, list(ranges))
    progress = {tp: progress_of(commit, ranges[tp][1], workflows) for tp, commit in commits.items()}
    state = groups.describe(group)
    owners = {tp: member for member in state.members for tp in member.partitions}
    oldest = _oldest(reader, progress, ranges)
    partitions = [
        PartitionOffsets(tp, first, end, progress.get(tp), oldest.get(tp), owners.get(tp))
        for tp, (first, end) in sorted(ranges.items())
    ]
    return GroupOffsets(group, workflows, state, partitions)


def _oldest(
    reader: RecordReader, progress: Mapping[TopicPartition, PartitionProgress], ranges: Ranges
) -> dict[TopicPartition, Record]:
    spans = {tp: OffsetRange(max(one.first_open, ranges[tp][0]), one.end) for tp, one in progress.items()}
    return reader.first_of(
        spans, lambda record: not progress[TopicPartition(record.topic, record.partition)].is_done(record.offset)
    )

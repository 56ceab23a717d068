"""`offsets show`: how far each group is on each partition, what is left, and what the processor that runs says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.groups import GroupMember, Groups, GroupState
from stream.kafka.record_reader import OffsetRange, RecordReader
from stream.model.commit_map import MapState, Range, name_hash, read_map
from stream.model.committed import Committed
from stream.model.errors import ConfigError, StreamError
from stream.model.records import Record, TopicPartition
from stream.offsets.groups import Ranges, ranges_of
from stream.settings.model import Settings
from stream.telemetry.status.report import GroupStatus, ProcessStatus
from stream.top.fetch import STATUS_PATH, endpoint, look, own_endpoint

ALL = ("",)
"""Stands for the workflows where none is configured; no map names it, so nothing beyond the offset counts as done."""


@dataclass(frozen=True)
class PartitionProgress:
    """A group's progress on one partition."""

    committed: int
    end: int
    done: Mapping[str, Sequence[Range]]
    """What each workflow has done beyond the committed offset."""
    map: MapState

    @property
    def lag(self) -> int:
        """Offsets between the committed one and the end, as Kafka's own tools count it."""
        return max(0, self.end - self.committed)

    def left_of(self, workflow: str) -> int:
        """Offsets that a workflow is not done with."""
        return self.lag - sum(max(0, min(high, self.end) - low) for low, high in self.done[workflow])

    def is_done(self, offset: int) -> bool:
        """Whether every workflow is done with it."""
        if offset < self.committed:
            return True
        return all(any(low <= offset < high for low, high in ranges) for ranges in self.done.values())

    @property
    def first_open(self) -> int:
        """The lowest offset that some workflow is not done with, or the end."""
        lowest = self.end
        for ranges in self.done.values():
            at = self.committed
            for low, high in ranges:
                if low > at:
                    break
                at = high
            lowest = min(lowest, at)
        return lowest


def progress_of(commit: Committed, end: int, workflows: Sequence[str]) -> PartitionProgress:
    """What the commit says; a workflow that its map does not name has done nothing beyond it."""
    state, found = read_map(commit.metadata, commit.offset)
    return PartitionProgress(commit.offset, end, {name: found.of(name_hash(name)) for name in workflows}, state)


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


class HeldSummary(NamedTuple):
    """What keeps a workflow back. Times are Unix time in seconds."""

    events: int
    """Events that end badly and are not given up."""
    closed_since: float | None
    """When its gate closed; None: it is open."""


HeldByWorkflow = Mapping[tuple[str, str], HeldSummary]
"""By group and workflow."""


RunningGroups = Mapping[str, GroupStatus]
"""What a processor says of its consumer groups, by name."""


def look_at_processor(settings: Settings) -> ProcessStatus | None:
    """None where no processor answers: offsets are Kafka's to tell, this is an extra."""
    try:
        return look(endpoint(own_endpoint(settings.http), STATUS_PATH))
    except (StreamError, ConfigError):
        return None


def running_groups(seen: ProcessStatus | None) -> RunningGroups:
    """Each group that the processor runs."""
    return {group.group: group for group in seen.groups} if seen else {}


def held_since(seen: ProcessStatus | None) -> HeldByWorkflow:
    """Each workflow that is held or fails; an empty name: partitions whose records are not valid events."""
    if seen is None:
        return {}
    found = {(one.group, one.workflow): HeldSummary(one.held, one.gate_closed_since) for one in seen.workflows}
    found |= {(group.group, ""): HeldSummary(group.partitions_held, None) for group in seen.groups}
    return {key: held for key, held in found.items() if held.events or held.closed_since is not None}

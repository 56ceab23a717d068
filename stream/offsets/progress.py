"""How far a group has come on a partition: what its commit says is done, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stream.model.commit_map import BadMapError, Range, decode, name_hash
from stream.model.committed import Committed

MapState = Literal["ours", "none", "ignored"]
"""Whether a commit says what is done beyond it; `ignored`: it says something that is not ours, or damaged."""


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
    none: dict[str, Sequence[Range]] = dict.fromkeys(workflows, ())
    if not commit.metadata:
        return PartitionProgress(commit.offset, end, none, "none")
    try:
        found = decode(commit.metadata, commit.offset)
    except BadMapError:
        return PartitionProgress(commit.offset, end, none, "ignored")
    done = {name: tuple(found.of(name_hash(name))) for name in workflows}
    return PartitionProgress(commit.offset, end, done, "ours" if found.done else "none")

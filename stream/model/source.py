"""What Kafka says: partitions assigned, commits, records lost, whether it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from stream.model.records import TopicPartition


@dataclass(frozen=True)
class StartedPartition:
    """A partition granted to this member, and where it starts."""

    tp: TopicPartition
    epoch: int
    start: int
    """Offset of the first record to be read."""
    committed: int | None
    """What the group has committed; None when it has committed nothing."""
    metadata: str = ""
    """What the commit said of the offsets beyond it."""
    topic_id: str = ""
    """Of the topic that the offsets belong to; empty: not known yet."""


SILENT_AFTER_S = 10.0
"""How long no broker may answer before Kafka counts as unreachable. Heartbeats alone are answered every 3 s."""


@dataclass(frozen=True)
class Contact:
    """Whether Kafka answers, as one client found."""

    is_up: bool
    """False: no broker has answered for a while, or none yet."""
    at: float | None
    """Unix time in seconds of the last answer; None: there was none."""
    seen_at: float
    """Unix time in seconds of this finding."""

    @classmethod
    def answered(cls, now: float) -> Contact:
        """A broker has just answered."""
        return cls(is_up=True, at=now, seen_at=now)

    @classmethod
    def silent(cls, now: float) -> Contact:
        """No broker has answered."""
        return cls(is_up=False, at=None, seen_at=now)

    def joined(self, earlier: Contact) -> Contact:
        """With what was known: an answer to another client counts as well, as long as it is recent."""
        at = max((at for at in (self.at, earlier.at) if at is not None), default=None)
        is_recent = at is not None and self.seen_at - at <= SILENT_AFTER_S
        return Contact(self.is_up or is_recent, at, self.seen_at)


@dataclass(frozen=True)
class DataLoss:
    """Records that the group had not read and the topic no longer holds."""

    tp: TopicPartition
    first: int
    """First missing offset."""
    resume: int
    """First offset that can be read again."""
    skipped: bool
    """True: reading continues at `resume` (`on_data_loss = "skip"`); False: the partition is not consumed."""
    end: int = field(default=-1, compare=False)
    """End of the partition when the loss was found; -1: unknown."""
    is_replaced: bool = field(default=False, compare=False)
    """The topic was deleted and created again: its offsets mean other records."""
    was_read: bool = field(default=False, compare=False)
    """The replaced topic had been read to its end, as far as is known: nothing is missing."""

    @property
    def missing(self) -> tuple[int, int]:
        """Offsets [start, end) that the topic should hold and does not."""
        if self.was_read:
            return self.first, self.first
        if self.resume > self.first:
            return self.first, self.resume
        if 0 <= self.end < self.first:  # the group's offset lies beyond the end
            return self.end, self.first
        return self.first, self.first + self.is_replaced  # how much the old topic held is not known: at least one

    @property
    def reason(self) -> str:
        """`recreated`, `expired` or `beyond_end`."""
        if self.is_replaced:
            return "recreated"
        return "expired" if self.resume > self.first else "beyond_end"


class CommitOutcome(StrEnum):
    """What became of a commit."""

    OK = "ok"
    RETRIED = "retried"
    """Refused for now (coordinator busy or moving, rebalance); the next commit tries again."""
    DROPPED = "dropped"
    """The partition was revoked or lost; its next owner receives the events again."""
    FAILED = "failed"


class CommitOffset(NamedTuple):
    """What is to be committed for one partition."""

    epoch: int
    offset: int
    """Next offset: the lowest that is not done."""
    metadata: str = ""
    """What is done beyond it."""


@dataclass(frozen=True)
class CommitResult:
    """What became of one partition's commit; `error` is Kafka's word for it, empty when it was stored."""

    tp: TopicPartition
    epoch: int
    offset: int
    outcome: CommitOutcome
    error: str = ""

"""A partition while this member owns it, and the events and deliveries that are open in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

from stream.core.model import Event, StartedPartition, TopicPartition
from stream.core.ports import Cancel
from stream.core.tracker import PartitionTracker


class Phase(Enum):
    """Life of a tenure; it only goes forward."""

    ACTIVE = "active"
    DRAINING = "draining"
    """No attempt is started any more; those in flight are waited for."""
    CLOSED = "closed"
    """Results that still come are stale: counted, never settled."""


@dataclass(slots=True, eq=False)
class Tenure:
    """One partition in one assignment epoch; the lists have one entry per workflow, in the engine's order."""

    tp: TopicPartition
    epoch: int
    tracker: PartitionTracker
    lanes: list[dict[Hashable, deque[Delivery] | None]]
    """Held lanes and the deliveries that wait in them; None while nobody waits."""
    waiting: list[int]
    """Deliveries offered and not in flight, per workflow."""
    phase: Phase = Phase.ACTIVE
    committed: int = -1
    """Next offset that Kafka acknowledged; -1 when the group had committed nothing."""
    committing: int = -1
    """Next offset in the commit that is under way; -1 when none is."""
    in_flight: set[Delivery] = field(default_factory=set)
    letters: int = 0
    """Dead letters that the broker has not acknowledged yet."""
    open_bytes: int = 0
    is_halted: bool = False
    """Not consumed: records were lost and `on_data_loss = "stop"`."""

    @classmethod
    def begin(cls, started: StartedPartition, workflows: int) -> Tenure:
        """A fresh tenure of a partition that was just granted."""
        committed = -1 if started.committed is None else started.committed
        tracker = PartitionTracker(started.start)
        lanes: list[dict[Hashable, deque[Delivery] | None]] = [{} for _ in range(workflows)]
        return cls(started.tp, started.epoch, tracker, lanes, [0] * workflows, committed=committed)

    @property
    def is_idle(self) -> bool:
        """Nothing that was started is still to come back."""
        return not self.in_flight and not self.letters


@dataclass(slots=True, eq=False)
class OpenEvent:
    """An admitted event and how many of its workflows are not done with it."""

    event: Event
    tenure: Tenure
    pending: int
    dead_lettered: bool = False


@dataclass(slots=True, eq=False)
class Delivery:
    """One event on its way to one workflow."""

    open_event: OpenEvent
    workflow: int
    """Index in the engine's list of workflows."""
    lane: Hashable | None
    queued_at: float
    """When it was offered; monotonic seconds."""
    clock_start: float = -1.0
    """When its retry clock started: monotonic seconds, -1 before."""
    attempts: int = 0
    last_code: str = ""
    request: Cancel | None = None
    """The attempt in flight."""

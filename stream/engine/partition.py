"""A partition while this member owns it, and the events and deliveries that are open in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from stream.engine.tracker import PartitionTracker
from stream.model.commit_map import CommitMap, Range, clip, common, covers, join, ranges_without
from stream.model.events import Event, FilterReason, Invalid, Settlement
from stream.model.records import Record, TopicPartition
from stream.model.source import StartedPartition


class Phase(Enum):
    """Life of a tenure; it only goes forward."""

    ACTIVE = "active"
    DRAINING = "draining"
    """No attempt is started any more; those in flight are waited for."""
    CLOSED = "closed"
    """Results that still come are stale: counted, never settled."""


@dataclass(slots=True, eq=False)
class WorkflowShare:
    """What one workflow has open in one tenure."""

    lanes: dict[Hashable, list[Delivery] | None] = field(default_factory=dict)
    """Held lanes and the deliveries that wait in them; None while nobody waits."""
    pending: dict[int, Delivery] = field(default_factory=dict)
    """What this workflow wants and is not done with, by offset."""
    waiting: int = 0
    """Deliveries offered and not in flight."""
    crowded: set[Hashable] = field(default_factory=set)
    """Lanes in which more wait than may."""
    shared: dict[Hashable, int] = field(default_factory=dict)
    """Lanes that several deliveries hold since the order was changed, and how many besides the first."""
    done_before: list[Range] = field(default_factory=list)
    """Offsets that the commit's map had as done when the tenure began."""


@dataclass(slots=True, eq=False)
class Tenure:
    """One partition in one assignment epoch; `shares` has one entry per workflow, by the engine's indexes."""

    tp: TopicPartition
    epoch: int
    tracker: PartitionTracker
    shares: list[WorkflowShare]
    phase: Phase = Phase.ACTIVE
    committed: int = -1
    """Next offset that Kafka acknowledged; -1 when the group had committed nothing."""
    committed_metadata: str = ""
    commits_under_way: int = 0
    committing: int = -1
    """Next offset in the last of the commits that are under way; -1 when none is."""
    committing_metadata: str = ""
    in_flight: set[Delivery] = field(default_factory=set)
    letters: int = 0
    """Dead letters that the broker has not acknowledged yet."""
    unrouted: set[int] = field(default_factory=set)
    """Open offsets of records that are no events: no workflow is done with them."""
    open_bytes: int = 0
    has_map: bool = False
    """The commit that it started from had a map."""
    invalid_in_a_row: int = 0
    encoded: tuple[object, ...] = ()
    """What the last map was made of."""
    encoded_map: str = ""
    """That map as text; empty when nothing is done in it."""
    map_bytes: int = 0
    """Length of the last commit's metadata."""
    is_stopped: bool = False
    """Not read for now: one of its limits is reached."""
    held_record: Record | None = None
    """The invalid record behind which nothing is admitted until the settings change; None: it is not held."""
    held_because: Invalid | None = None
    held_since: float = 0.0
    """Unix time in seconds."""
    behind: list[Record] = field(default_factory=list)
    """What was read behind it all the same, in offset order."""
    behind_end: int = -1
    """The end of the partition as it was told meanwhile; -1: it was not."""
    topic_id: str = ""
    """Of the topic that the offsets belong to; empty: not known yet."""
    is_halted: bool = False
    """Not read: records were lost and `on_data_loss = "stop"`."""

    @classmethod
    def begin(cls, started: StartedPartition, done_before: Sequence[list[Range]]) -> Tenure:
        """A fresh tenure of a partition that was just granted; `done_before` has the map's ranges per workflow."""
        committed = -1 if started.committed is None else started.committed
        shares = [WorkflowShare(done_before=ranges) for ranges in done_before]
        tenure = cls(started.tp, started.epoch, PartitionTracker(started.start), shares, committed=committed)
        tenure.committed_metadata = started.metadata
        tenure.has_map = any(done_before)
        tenure.topic_id = started.topic_id
        return tenure

    @property
    def is_held(self) -> bool:
        """Whether nothing is read until the settings change."""
        return self.held_record is not None

    @property
    def is_idle(self) -> bool:
        """Nothing that was started is still to come back."""
        return not self.in_flight and not self.letters

    def done_before(self, offset: int) -> set[int]:
        """Workflows (indexes) that are done with the offset by the map that it began with; asked for in order."""
        return {index for index, share in enumerate(self.shares) if covers(share.done_before, offset)}

    def done_by_all(self, hashes: Sequence[int | None], start: int, end: int) -> list[Range]:
        """What the map that it began with has as done for every workflow, of [start, end)."""
        present = [share for workflow, share in zip(hashes, self.shares, strict=True) if workflow is not None]
        done: list[Range] = [(start, end)] if present and start < end else []
        for share in present:
            done = common(done, share.done_before)
        return done

    def doneness(self, hashes: Sequence[int | None]) -> tuple[object, ...]:
        """Is the same again only if `done_map` is: offsets are added at the end alone, or come from `unrouted`."""
        tracker, waiting = self.tracker, [len(share.pending) for share in self.shares]
        return tracker.watermark, tracker.next_expected, len(self.unrouted), self.topic_id, *hashes, *waiting

    def done_map(self, hashes: Sequence[int | None]) -> CommitMap:
        """What is done beyond the watermark; `hashes` of the workflows' names by index, None: there is none."""
        base, end = self.tracker.watermark, self.tracker.next_expected
        done: dict[int, list[Range]] = {}
        if any(share.done_before for share in self.shares) or end > base:
            for workflow, share in zip(hashes, self.shares, strict=True):
                if workflow is None:
                    continue
                missing: Mapping[int, object] | set[int] = share.pending
                if self.unrouted:
                    missing = {*share.pending, *self.unrouted}
                done[workflow] = join(ranges_without(missing, base, end), clip(share.done_before, max(base, end)))
        return CommitMap(base, done, self.topic_id)


@dataclass(slots=True, eq=False)
class OpenEvent:
    """An admitted event and how many of its workflows are not done with it."""

    event: Event
    tenure: Tenure
    pending: int
    settlement: Settlement = Settlement.FILTERED
    """Its end as it stands: dead-lettered for one workflow over delivered to one (now or by the map) over neither."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One event on its way to one workflow. Times are the workflow's open time: it stands still at a closed gate."""

    open_event: OpenEvent
    workflow: int
    """Index in the engine's list of workflows."""
    share: WorkflowShare
    """Of that workflow in the event's tenure."""
    lane: Hashable | None
    queued_at: float
    clock_start: float = -1.0
    """When its retry clock started; -1 before."""
    attempts: int = 0
    """Attempts charged to it; a probe of a closed gate that fails is not."""
    gate_generation: int = 0
    """Of the workflow's gate when its last request was sent."""
    is_probe: bool = False
    is_held: bool = False
    """It ended badly and may not be given up."""
    is_ending: bool = False
    """Its dead letter is on its way."""
    unwanted: FilterReason | None = None
    """Why its workflow does not want it any more, though it is in flight: no attempt follows this one."""

    @property
    def is_over(self) -> bool:
        """Whether the workflow is done with the event."""
        return self.share.pending.get(self.open_event.event.record.offset) is not self

    @property
    def is_in_flight(self) -> bool:
        """Whether a request was sent and not answered yet."""
        return self in self.open_event.tenure.in_flight

    @property
    def lane_identity(self) -> Hashable:
        """Tells lanes apart over all partitions; without a lane, the event itself."""
        if self.lane is None:
            return self
        return self.open_event.tenure.epoch, self.lane

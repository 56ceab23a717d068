"""A partition while this member owns it: its offsets, what is committed, and what each workflow has open in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from stream.engine.delivery import Delivery
from stream.engine.tracker import PartitionTracker
from stream.model.commit_map import CommitMap, Range, clip, common, covers, join, ranges_without
from stream.model.events import Invalid
from stream.model.records import Record, TopicPartition
from stream.model.source import StartedPartition


class Phase(Enum):
    """Life of an assignment; it only goes forward."""

    ACTIVE = "active"
    DRAINING = "draining"
    """No attempt is started; those in flight are waited for."""
    CLOSED = "closed"
    """Results that still come are stale: counted, never settled."""


@dataclass(slots=True, eq=False)
class PartitionWorkflow:
    """What one workflow has open in one partition."""

    lanes: dict[Hashable, list[Delivery] | None] = field(default_factory=dict)
    """Held lanes and the deliveries that wait in them; None while nobody waits."""
    pending: dict[int, Delivery] = field(default_factory=dict)
    """What this workflow wants and is not done with, by offset."""
    waiting: int = 0
    """Deliveries offered and not in flight."""
    overfull_lanes: set[Hashable] = field(default_factory=set)
    """Lanes in which more wait than may."""
    shared_lanes: dict[Hashable, int] = field(default_factory=dict)
    """Lanes that several deliveries hold since the order was changed, and how many besides the first."""
    done_before: list[Range] = field(default_factory=list)
    """Offsets that the commit's map had as done at the assignment."""

    def clear_lanes(self) -> None:
        """Forget who waits where."""
        self.lanes.clear()
        self.overfull_lanes.clear()
        self.shared_lanes.clear()


@dataclass(slots=True)
class CommitState:
    """What Kafka has of one partition, and what is on its way there."""

    offset: int = -1
    """Next offset that Kafka acknowledged; -1 when the group had committed nothing."""
    metadata: str = ""
    under_way: int = 0
    """Commits that were not answered yet."""
    sent_offset: int = -1
    """Next offset in the last of them; -1 when none is under way."""
    sent_metadata: str = ""
    map_bytes: int = 0
    """Length of the last commit's metadata."""
    _map_of: tuple[object, ...] = ()
    _map: str = ""

    def has(self, offset: int, metadata: str) -> bool:
        """Whether Kafka has acknowledged this."""
        return (offset, metadata) == (self.offset, self.metadata)

    def is_bare(self, offset: int) -> bool:
        """Whether the offset alone is committed, without a map."""
        return offset == self.offset and not self.metadata

    def send(self, offset: int, metadata: str) -> None:
        """A commit is on its way."""
        self.sent_offset, self.sent_metadata = offset, metadata
        self.under_way += 1

    def receive(self, offset: int, is_stored: bool) -> None:
        """A commit was answered."""
        self.under_way -= 1
        if is_stored and offset >= self.offset:
            self.offset = offset
            if offset == self.sent_offset:
                self.metadata = self.sent_metadata
        if offset == self.sent_offset:
            self.sent_offset = -1

    def known_map(self, made_of: tuple[object, ...]) -> str | None:
        """The text of the map that was made of this; None: it was made of something else."""
        return self._map if made_of == self._map_of else None

    def keep_map(self, made_of: tuple[object, ...], text: str) -> None:
        """Remember the text of the map that was made of this."""
        self._map_of, self._map = made_of, text


@dataclass(slots=True)
class PartitionHold:
    """An invalid record behind which nothing is admitted until the settings change."""

    record: Record
    because: Invalid
    since: float
    """Unix time in seconds."""
    kept_back: list[Record] = field(default_factory=list)
    """What was read behind it, in offset order."""
    end: int = -1
    """The end of the partition that was reached meanwhile; -1: none was."""


@dataclass(slots=True)
class SchemaWait:
    """A record, the first of `kept_back`, whose schema has to be asked for; none of them is admitted yet."""

    kept_back: list[Record]
    end: int = -1
    """The end of the partition that was reached meanwhile; -1: none was."""


@dataclass(slots=True, eq=False)
class PartitionState:
    """One partition in one assignment epoch; `workflows` has one entry per workflow, by the engine's indexes."""

    tp: TopicPartition
    epoch: int
    tracker: PartitionTracker
    workflows: list[PartitionWorkflow]
    commit: CommitState
    topic_id: str = ""
    """Of the topic that the offsets belong to; empty: not known yet."""
    has_map: bool = False
    """The commit that it started from had a map."""
    phase: Phase = Phase.ACTIVE
    in_flight: int = 0
    letters: int = 0
    """Dead letters that the broker has not acknowledged yet."""
    open_bytes: int = 0
    unroutable: set[int] = field(default_factory=set)
    """Open offsets of records that are not events: no workflow is done with them."""
    invalid_in_a_row: int = 0
    held_by: PartitionHold | None = None
    schema_wait: SchemaWait | None = None
    is_halted: bool = False
    """Not read: records were lost and `on_data_loss = "stop"`."""

    @classmethod
    def begin(cls, started: StartedPartition, done_before: Sequence[list[Range]]) -> PartitionState:
        """A partition that was just granted; `done_before` has the map's ranges per workflow."""
        commit = CommitState(-1 if started.committed is None else started.committed, started.metadata)
        workflows = [PartitionWorkflow(done_before=ranges) for ranges in done_before]
        tracker, has_map = PartitionTracker(started.start), any(done_before)
        return cls(started.tp, started.epoch, tracker, workflows, commit, started.topic_id, has_map)

    @property
    def is_active(self) -> bool:
        """Whether deliveries of it may be started."""
        return self.phase is Phase.ACTIVE

    @property
    def is_closed(self) -> bool:
        """Whether it is somebody else's by now."""
        return self.phase is Phase.CLOSED

    @property
    def is_idle(self) -> bool:
        """Nothing that was started is still to come back."""
        return not self.in_flight and not self.letters

    @property
    def awaits_schema(self) -> bool:
        """Nothing is admitted until the registry has answered."""
        return self.schema_wait is not None

    # The assignment.

    def start_draining(self) -> None:
        """It is to be given back."""
        if self.phase is Phase.ACTIVE:
            self.phase = Phase.DRAINING

    def close(self) -> None:
        """It is over."""
        self.phase = Phase.CLOSED

    def learn_topic_id(self, topic_id: str) -> None:
        """What was unknown at the assignment."""
        self.topic_id = self.topic_id or topic_id

    def put_workflow(self, index: int) -> None:
        """Another workflow has this index from now on: nothing of it is open."""
        self.workflows[index : index + 1] = [PartitionWorkflow()]

    def halt(self) -> None:
        """It is not read: records were lost."""
        self.is_halted = True

    # Records.

    def admit(self, offsets: Sequence[int], size: int) -> None:
        """Open these offsets, its next; their records hold `size` bytes."""
        self.tracker.admit(offsets)
        self.open_bytes += size

    def settle(self, offsets: Sequence[int], size: int) -> None:
        """Everything is done with these offsets."""
        self.tracker.settle(offsets)
        self.open_bytes -= size

    def admit_event(self) -> None:
        """A record is an event: those before it were not the beginning of a flood."""
        self.invalid_in_a_row = 0

    def admit_invalid(self, offset: int) -> None:
        """An open record is not an event."""
        self.unroutable.add(offset)

    def end_invalid(self, offset: int) -> None:
        """A record that is not an event is done with, or turned out to be one."""
        self.unroutable.discard(offset)

    def pass_to(self, position: int) -> None:
        """Nothing will arrive from below `position` but what is kept back."""
        kept = self.held_by or self.schema_wait
        if kept is None:
            self.tracker.pass_to(position)
        else:
            kept.end = position

    def hold(self, record: Record, because: Invalid, wall: float) -> None:
        """Admit nothing behind this record, from `wall` (Unix time in seconds) on."""
        self.held_by = PartitionHold(record, because, wall)

    def release(self) -> PartitionHold | None:
        """End the hold; it has what was kept back."""
        hold, self.held_by = self.held_by, None
        self.invalid_in_a_row = 0
        return hold

    def await_schema(self, records: Sequence[Record]) -> None:
        """Keep these records back: the first of them cannot be read yet."""
        self.schema_wait = SchemaWait(list(records))

    def end_schema_wait(self) -> SchemaWait | None:
        """Read on; it has what was kept back."""
        wait, self.schema_wait = self.schema_wait, None
        return wait

    # What is done.

    def done_before(self, offset: int) -> set[int]:
        """Workflows (indexes) that were done with the offset by the map at the assignment; asked for in order."""
        return {index for index, workflow in enumerate(self.workflows) if covers(workflow.done_before, offset)}

    def done_by_all(self, hashes: Sequence[int | None], start: int, end: int) -> list[Range]:
        """What the map at the assignment has as done for every workflow, of [start, end)."""
        present = [own for workflow, own in zip(hashes, self.workflows, strict=True) if workflow is not None]
        done: list[Range] = [(start, end)] if present and start < end else []
        for own in present:
            done = common(done, own.done_before)
        return done

    def map_sources(self, hashes: Sequence[int | None]) -> tuple[object, ...]:
        """Is the same again only if `done_map` is: offsets are added at the end, or come from `unroutable`."""
        tracker, pending = self.tracker, [len(workflow.pending) for workflow in self.workflows]
        return tracker.watermark, tracker.next_expected, len(self.unroutable), self.topic_id, *hashes, *pending

    def done_map(self, hashes: Sequence[int | None]) -> CommitMap:
        """What is done beyond the watermark; `hashes` of the workflows' names by index, None: there is none."""
        base, end = self.tracker.watermark, self.tracker.next_expected
        done: dict[int, list[Range]] = {}
        if any(workflow.done_before for workflow in self.workflows) or end > base:
            for name, workflow in zip(hashes, self.workflows, strict=True):
                if name is None:
                    continue
                missing: Mapping[int, object] | set[int] = workflow.pending
                if self.unroutable:
                    missing = {*workflow.pending, *self.unroutable}
                done[name] = join(ranges_without(missing, base, end), clip(workflow.done_before, max(base, end)))
        return CommitMap(base, done, self.topic_id)

"""An admitted event, and each of its deliveries to a workflow."""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from typing import TYPE_CHECKING

from stream.model.events import Event, FilterReason, Settlement
from stream.model.records import Record

if TYPE_CHECKING:
    from stream.engine.partition import PartitionState, PartitionWorkflow


class DeliveryState(Enum):
    """Where a delivery is. Its dispatcher moves it as far as IN_FLIGHT and back, its completion from there on."""

    WAITING = "waiting"
    """Behind another one of its lane."""
    READY = "ready"
    """Sent as soon as gate, rate and concurrency allow."""
    IN_FLIGHT = "in flight"
    PROBING = "probing"
    """In flight as the probe of a closed gate."""
    BACKING_OFF = "backing off"
    """Holds its lane until it is tried again."""
    ENDING = "ending"
    """Its dead letter is not acknowledged yet; it holds its lane."""
    GIVING_UP = "giving up"
    """The settings name it: likewise, but it holds no lane."""
    OVER = "over"
    """The workflow is done with the event."""
    ABANDONED = "abandoned"
    """It was in flight when its partition went, or failed while that was draining."""


class OpenEvent:
    """An admitted event and how many of its workflows are not done with it."""

    __slots__ = ("event", "partition", "pending", "settlement")

    def __init__(self, event: Event, partition: PartitionState, pending: int) -> None:
        self.event = event
        self.partition = partition
        self.pending = pending
        self.settlement = Settlement.FILTERED
        """Its end so far: dead-lettered for one workflow over delivered to one (now or by the map) over neither."""


class Delivery:
    """One event on its way to one workflow. Times are the workflow's open time: it stands still at a closed gate."""

    __slots__ = (
        "attempts",
        "clock_start",
        "drop_reason",
        "gate_generation",
        "lane",
        "open_event",
        "partition_workflow",
        "queued_at",
        "state",
        "workflow",
    )

    def __init__(
        self,
        open_event: OpenEvent,
        workflow: int,
        partition_workflow: PartitionWorkflow,
        lane: Hashable | None,
        queued_at: float,
    ) -> None:
        self.open_event = open_event
        self.workflow = workflow
        """Index in the engine's list of workflows."""
        self.partition_workflow = partition_workflow
        """What that workflow has open in the event's partition."""
        self.lane = lane
        self.queued_at = queued_at
        self.clock_start = -1.0
        """When its retry clock started; -1 before."""
        self.attempts = 0
        """Attempts charged to it; a probe of a closed gate that fails is not."""
        self.gate_generation = 0
        """Of the workflow's gate when its last request was sent."""
        self.state = DeliveryState.READY
        self.drop_reason: FilterReason | None = None
        """Why its workflow no longer wants it, although it is in flight: no attempt follows this one."""

    @property
    def record(self) -> Record:
        """The event's record."""
        return self.open_event.event.record

    @property
    def partition(self) -> PartitionState:
        """The event's partition."""
        return self.open_event.partition

    @property
    def is_queued(self) -> bool:
        """Whether it waits for its turn."""
        return self.state in (DeliveryState.READY, DeliveryState.WAITING)

    @property
    def is_in_flight(self) -> bool:
        """Whether a request was sent and not answered yet."""
        return self.state in (DeliveryState.IN_FLIGHT, DeliveryState.PROBING)

    @property
    def lane_identity(self) -> Hashable:
        """Tells lanes apart over all partitions; without a lane, the event itself."""
        if self.lane is None:
            return self
        return self.open_event.partition.epoch, self.lane

"""Everything that belongs to one workflow of one engine."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from stream.engine.dispatcher import Dispatcher, lane_of
from stream.engine.pacing import Pace
from stream.engine.partition import Delivery, Tenure
from stream.model.events import Event
from stream.model.held import Hold
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import Build, Cancel, Clock, Sender
from stream.model.statistics import WorkflowStats
from stream.rules.listener import Spans
from stream.rules.request import RequestBuilder


@dataclass(slots=True, eq=False)
class Line:
    """A workflow's queue, its pace, the way to it, and its numbers."""

    policy: WorkflowPolicy
    dispatcher: Dispatcher
    pace: Pace
    lane_of: Callable[[Event], Hashable | None]
    build: Build
    sender: Sender
    origin: Sender
    """The sender as it was given, without spans around it."""
    stats: WorkflowStats
    is_removed: bool = False
    """Its workflow is configured no more; what is in flight is still answered."""
    former: list[Sender] = field(default_factory=list)
    """Senders of earlier settings; requests of theirs may be in flight."""
    held: dict[Delivery, Hold] = field(default_factory=dict)
    """Deliveries that ended badly and may not be given up, those held longest first."""
    letters_in_a_row: int = 0
    """Dead letters without a delivery between them."""
    wake: Cancel | None = None
    """Timer for when the gate or the rate lets something through again."""

    @classmethod
    def build_for(
        cls,
        index: int,
        workflow: WorkflowPolicy,
        engine: EnginePolicy,
        sender: Sender,
        stats: WorkflowStats,
        clock: Clock,
        spans: Spans | None = None,
    ) -> Line:
        """The line of the engine's workflow number `index`."""
        return cls(
            policy=workflow,
            dispatcher=Dispatcher(index, engine.limits.max_lane_events),
            pace=Pace(workflow, engine.gate, clock.monotonic()),
            lane_of=lane_of(workflow.ordering),
            build=request_builder(workflow, engine.user_agent, clock, spans),
            sender=sender if spans is None else spans.around_sender(sender),
            origin=sender,
            stats=stats,
        )

    def reconfigure(
        self, workflow: WorkflowPolicy, engine: EnginePolicy, sender: Sender, clock: Clock, spans: Spans | None
    ) -> None:
        """Other settings from the next request on. Its queue, its gate and what is in flight stay."""
        old, now = self.policy, clock.monotonic()
        if sender is not self.origin or _credentials(old) != _credentials(workflow):
            self.pace.gate.probe_soon(now)
        if sender is not self.origin:
            self.former.append(self.sender)
            self.origin, self.sender = sender, sender if spans is None else spans.around_sender(sender)
        self.policy, self.is_removed = workflow, False
        self.lane_of = lane_of(workflow.ordering)
        self.build = request_builder(workflow, engine.user_agent, clock, spans)
        self.pace.reconfigure(old, workflow, engine.gate, now)

    def stop_waiting(self) -> None:
        """Its timer is of no use any more."""
        if self.wake is not None:
            self.wake.cancel()
            self.wake = None

    def cancel(self, delivery: Delivery) -> None:
        """Give its attempt up, whichever sender has it."""
        for sender in (self.sender, *self.former):
            sender.cancel(delivery)

    @property
    def is_calm(self) -> bool:
        """Nothing has failed lately: a delivery is nothing but a delivery."""
        return self.pace.gate.is_calm and not self.letters_in_a_row

    @property
    def ready(self) -> int:
        """How many deliveries could start if they may."""
        return self.dispatcher.ready

    def refresh_gauges(self) -> None:
        """Show the present counts to the metrics."""
        self.stats.in_flight = self.dispatcher.in_flight
        self.stats.waiting = self.dispatcher.waiting
        self.stats.concurrency_limit = self.pace.concurrency.limit
        self.stats.held = len(self.held)

    def forget(self, tenure: Tenure) -> None:
        """Drop what waits of a partition that stops."""
        self.dispatcher.forget(tenure)
        if self.held:
            self.held = {one: hold for one, hold in self.held.items() if one.open_event.tenure is not tenure}
        self.refresh_gauges()


def request_builder(workflow: WorkflowPolicy, user_agent: str, clock: Clock, spans: Spans | None = None) -> Build:
    """Builds the workflow's requests as they are to be sent now; the clock is asked only where that matters."""
    builder = RequestBuilder(workflow, user_agent)
    build: Build = (lambda event: builder.build(event, clock.wall())) if builder.is_timed else builder.build
    return build if spans is None else spans.around_build(workflow.name, build)


def _credentials(workflow: WorkflowPolicy) -> tuple[object, ...]:
    """What a workflow may have refused us for."""
    return workflow.headers, workflow.shared_secret, workflow.webhook_keys

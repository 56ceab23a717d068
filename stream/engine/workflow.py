"""One workflow of one engine: what waits for it, how fast it may be sent to, and the way there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from stream.engine.delivery import Delivery, DeliveryState, OpenEvent
from stream.engine.dispatcher import Dispatcher, lane_of
from stream.engine.gate import Gate
from stream.engine.pacing import Pace, Turn
from stream.engine.partition import PartitionState
from stream.engine.steps import Steps
from stream.model.events import Event
from stream.model.held import Hold
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import AttemptResult, Build, Cancel, Clock, Sender
from stream.model.records import RecordId
from stream.model.statistics import WorkflowStats
from stream.rules.listener import Spans
from stream.rules.request import RequestBuilder


@dataclass(frozen=True)
class WorkflowEdges:
    """What every workflow of one engine stands on."""

    steps: Steps
    on_results: Callable[[WorkflowState, Sequence[AttemptResult]], None]
    """Called as a step with the results of attempts."""
    spans: Spans | None


class WorkflowState:
    """Starts its deliveries; what becomes of them is decided elsewhere."""

    def __init__(
        self,
        index: int,
        workflow: WorkflowPolicy,
        engine: EnginePolicy,
        sender: Sender,
        stats: WorkflowStats,
        edges: WorkflowEdges,
    ) -> None:
        self.policy = workflow
        self.stats = stats
        self.dispatcher = Dispatcher(index, engine.limits.max_lane_events)
        self.pace = Pace(workflow, engine.gate, edges.steps.monotonic())
        self.held: dict[Delivery, Hold] = {}
        """Deliveries that ended badly and may not be given up, those held longest first."""
        self.letters_in_a_row = 0
        """Dead letters without a delivery between them."""
        self.filter_error: RecordId | None = None
        """Where the last event lies that a statement of its filters had no value for; None once it was logged."""
        self.is_removed = False
        """It is no longer in the settings; what is in flight is still answered."""
        self._index = index
        self._edges = edges
        self._steps = edges.steps
        self._on_results = edges.steps.entry(edges.on_results, self)
        self._origin = sender
        """The sender without spans around it."""
        self._former: list[Sender] = []
        """Senders of earlier settings; requests of theirs may be in flight."""
        self._wake: Cancel | None = None
        """Timer for when the gate or the rate lets something through again."""
        self._set_sender(sender)
        self._set_policy(workflow, engine)

    @property
    def gate(self) -> Gate:
        """Its circuit breaker."""
        return self.pace.gate

    @property
    def ready(self) -> int:
        """How many deliveries could start if they may."""
        return self.dispatcher.ready

    @property
    def is_healthy(self) -> bool:
        """Nothing has failed lately: a delivery is nothing but a delivery."""
        return self.gate.is_calm and not self.letters_in_a_row and self.stats.failing_since is None

    # Starting.

    def take_on(self, partition: PartitionState, events: Sequence[OpenEvent]) -> list[Delivery]:
        """The deliveries of admitted events that this workflow wants; they are offered to the dispatcher next."""
        own, lane_of, index = partition.workflows[self._index], self._lane_of, self._index
        pending, queued_at, deliveries = own.pending, self.gate.open_time(self._steps.monotonic()), []
        for open_event in events:
            event = open_event.event
            delivery = pending[event.record.offset] = Delivery(open_event, index, own, lane_of(event), queued_at)
            deliveries.append(delivery)
        return deliveries

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Start these when it is their turn, at the end of the step at the earliest."""
        self.dispatcher.offer(deliveries)
        self._steps.touched.workflow(self)

    def start_ready(self) -> None:
        """Start every delivery that may start now; at the end of a step alone."""
        dispatcher, pace = self.dispatcher, self.pace
        if dispatcher.ready:
            now = self._steps.monotonic()
            while dispatcher.ready:
                turn = pace.turn(dispatcher.in_flight, now)
                if turn is Turn.SEND:
                    self._send(dispatcher.take(pace.burst(dispatcher.in_flight)), now)
                elif turn is Turn.PROBE:
                    self.gate.probe_sent()
                    self._send([dispatcher.take_probe()], now, charge=0)  # charged to the event if it succeeds
                else:
                    self._wake_later()
                    break
        self.refresh_gauges()

    def _send(self, deliveries: Sequence[Delivery], now: float, charge: int = 1) -> None:
        open_time, generation = self.gate.open_time(now), self.gate.generation
        build, send, on_results = self._build, self._sender.send, self._on_results
        for delivery in deliveries:
            delivery.attempts += charge
            delivery.gate_generation = generation
            if delivery.clock_start < 0:
                delivery.clock_start = open_time
            open_event = delivery.open_event
            open_event.partition.in_flight += 1
            send(build(open_event.event), delivery, on_results)

    def _wake_later(self) -> None:
        self.stop_waiting()
        if self.pace.wake_at is not None:
            self._wake = self._steps.call_at(self.pace.wake_at, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._steps.touched.workflow(self)

    def stop_waiting(self) -> None:
        """Its timer is of no use."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    # Partitions that go.

    def forget(self, partition: PartitionState) -> None:
        """Drop what waits of a partition that stops."""
        self.dispatcher.forget(partition)
        if self.held:
            self.held = {one: hold for one, hold in self.held.items() if one.partition is not partition}

    def abort(self, partition: PartitionState) -> None:
        """Give up its attempts in flight; their connections are closed, and no result of them counts."""
        for delivery in partition.workflows[self._index].pending.values():
            if not delivery.is_in_flight:
                continue
            for sender in (self._sender, *self._former):
                sender.cancel(delivery)
            if delivery.state is DeliveryState.PROBING:
                self.gate.probe_over()
            delivery.state = DeliveryState.ABANDONED
            partition.in_flight -= 1
            self.dispatcher.land()
            self.stats.deliveries["stale"] += 1
        self._steps.touched.workflow(self)

    # Settings and gauges.

    def reconfigure(self, workflow: WorkflowPolicy, engine: EnginePolicy, sender: Sender) -> None:
        """Other settings from the next request on. Its queue, its gate and what is in flight stay."""
        old, now = self.policy, self._steps.monotonic()
        if sender is not self._origin or _credentials(old) != _credentials(workflow):
            self.gate.probe_soon(now)
        if sender is not self._origin:
            self._former.append(self._sender)
            self._set_sender(sender)
        self.is_removed = False
        self._set_policy(workflow, engine)
        self.pace.reconfigure(old, workflow, engine.gate, now)

    def rebuild(self, parts: Sequence[PartitionState], max_lane_events: int) -> None:
        """Lay the lanes of these partitions by the present order."""
        self.dispatcher.rebuild([part.workflows[self._index] for part in parts], self._lane_of, max_lane_events)
        self._steps.touched.workflow(self)

    def note_failure(self, because: str) -> None:
        """An attempt failed in a way that says nothing good of the workflow."""
        if self.stats.failing_since is None:
            self.stats.failing_since = self._steps.wall()
        self.stats.failing_because = because

    def note_success(self) -> None:
        """It has taken an event, or rejected one: it works."""
        self.stats.failing_since = None

    def release_held(self, deliveries: Sequence[Delivery]) -> None:
        """These have ended."""
        for delivery in deliveries:
            self.held.pop(delivery, None)

    def end_hold(self) -> None:
        """What is held is tried like any other event, and may be given up."""
        self.held.clear()

    def refresh_gauges(self) -> None:
        """Show the present counts to the metrics."""
        self.stats.in_flight = self.dispatcher.in_flight
        self.stats.waiting = self.dispatcher.waiting
        self.stats.concurrency_limit = self.pace.concurrency.limit
        self.stats.held = len(self.held)

    def _set_policy(self, workflow: WorkflowPolicy, engine: EnginePolicy) -> None:
        self.policy = workflow
        self.stats.paused = workflow.paused
        self._lane_of: Callable[[Event], Hashable | None] = lane_of(workflow.ordering)
        self._build = request_builder(workflow, engine.user_agent, self._steps, self._edges.spans)

    def _set_sender(self, sender: Sender) -> None:
        spans = self._edges.spans
        self._origin, self._sender = sender, sender if spans is None else spans.around_sender(sender)


def request_builder(workflow: WorkflowPolicy, user_agent: str, clock: Clock, spans: Spans | None = None) -> Build:
    """Builds the workflow's requests as they are to be sent now; the clock is asked only where that matters."""
    builder = RequestBuilder(workflow, user_agent)
    build: Build = (lambda event: builder.build(event, clock.wall())) if builder.is_timed else builder.build
    return build if spans is None else spans.around_build(workflow.name, build)


def _credentials(workflow: WorkflowPolicy) -> tuple[object, ...]:
    """What a workflow may have refused us for."""
    return workflow.headers, workflow.shared_secret, workflow.webhook_keys

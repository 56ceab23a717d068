"""Which workflows get each event of a batch: admitted together, filtered, offered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from stream.engine.completion import DeliveryCompletion
from stream.engine.delivery import OpenEvent
from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionState
from stream.engine.workflow import WorkflowState
from stream.model.events import NO_PAYLOAD, Event, FilterReason, Settlement, type_label
from stream.model.policies import EnginePolicy
from stream.model.records import Record
from stream.model.statistics import EngineStats
from stream.rules.filter import EventFilter, Route
from stream.rules.listener import DeliveryListener

Routed = tuple[Event, Route]
"""An event and where it goes."""


class Routing:
    """Sends events the way that the filters and the commit's map say."""

    def __init__(
        self,
        policy: EnginePolicy,
        ledger: Ledger,
        workflows: Sequence[WorkflowState],
        completion: DeliveryCompletion,
        stats: EngineStats,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self.route_of: Callable[[Event], Route]
        """Where an event goes by the filters; needs its payload."""
        self.reconfigure(policy, range(len(policy.workflows)))
        self._ledger = ledger
        self._workflows = workflows
        self._completion = completion
        self._stats = stats
        self._listeners = listeners

    def reconfigure(self, policy: EnginePolicy, indexes: Sequence[int]) -> None:
        """Route by these filters; `indexes` of the policy's workflows, in its order."""
        self.route_of = EventFilter(policy.integration_name, policy.workflows, indexes).route
        self._all = frozenset(indexes)

    def is_done_before(self, partition: PartitionState, offset: int) -> bool:
        """Whether every workflow is done with the offset by the map that the partition began with."""
        return partition.has_map and self._all <= partition.done_before(offset)

    def take(self, partition: PartitionState, routed: Sequence[Routed]) -> None:
        """Admit these events, the partition's next, and offer each to the workflows that want it."""
        if not routed:
            return
        partition.admit_event()
        self._ledger.admit(partition, [event.record for event, _ in routed])
        for type_, count in Counter([event.type for event, _ in routed]).items():
            self._stats.received[partition.tp.topic, type_label(type_)] += count
        self._send_on(partition, routed)

    def take_admitted(self, partition: PartitionState, event: Event) -> None:
        """Offer an event that was admitted before, when it passed for none."""
        route = self.route_of(event)
        event.payload = NO_PAYLOAD
        self._send_on(partition, [(event, route)])

    def _send_on(self, partition: PartitionState, routed: Sequence[Routed]) -> None:
        wanting: dict[int, list[OpenEvent]] = defaultdict(list)
        ended: dict[Settlement, list[Record]] = defaultdict(list)
        for event, route in routed:
            if route.unwanted:
                self._count_unwanted(event.record, route)
            wanted = self._not_done(partition, event.record.offset, route.wanted) if partition.has_map else route.wanted
            if not wanted:
                ended[self._end(partition, event.record.offset, route)].append(event.record)
                continue
            open_event = OpenEvent(event, partition, len(wanted))
            if len(wanted) < len(route.wanted):
                open_event.settlement = Settlement.DELIVERED
            for workflow in wanted:
                wanting[workflow].append(open_event)
        for index, opened in wanting.items():
            self._offer(self._workflows[index], partition, opened)
        for settlement, records in ended.items():
            self._ledger.settle(partition, records, settlement)

    def _offer(self, workflow: WorkflowState, partition: PartitionState, opened: Sequence[OpenEvent]) -> None:
        deliveries, give_up = workflow.take_on(partition, opened), workflow.policy.give_up
        if give_up:
            for delivery in [delivery for delivery in deliveries if delivery.record.place in give_up]:
                self._completion.give_up(workflow, delivery)
                deliveries.remove(delivery)
        workflow.offer(deliveries)

    def _count_unwanted(self, record: Record, route: Route) -> None:
        for workflow, reason in route.unwanted:
            state = self._workflows[workflow]
            state.stats.filtered[reason] += 1
            if reason is FilterReason.FILTER_ERROR:
                state.filter_error = record.place
            for listener in self._listeners:
                listener.on_filtered(record, state.policy.name, reason)

    def _not_done(self, partition: PartitionState, offset: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the workflows that have not got it by the map that the partition began with."""
        done = partition.done_before(offset)
        for workflow in done.intersection(wanted):
            self._workflows[workflow].stats.deliveries["avoided"] += 1
        return tuple([workflow for workflow in wanted if workflow not in done])

    def _end(self, partition: PartitionState, offset: int, route: Route) -> Settlement:
        """The end of an event that no workflow is to get now."""
        if self.is_done_before(partition, offset):
            return Settlement.AVOIDED
        return Settlement.DELIVERED if route.wanted else Settlement.FILTERED

"""Which workflows get each event of a batch: admitted together, filtered, offered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from stream.engine.deliverer import Deliverer
from stream.engine.ledger import Ledger
from stream.engine.partition import OpenEvent, Tenure
from stream.model.events import NO_PAYLOAD, Event, Settlement, type_label
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
        deliverer: Deliverer,
        stats: EngineStats,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self.route_of: Callable[[Event], Route]
        """Where an event goes by the filters; needs its payload."""
        self.reconfigure(policy, range(len(policy.workflows)))
        self._ledger = ledger
        self._deliverer = deliverer
        self._stats = stats
        self._listeners = listeners

    def reconfigure(self, policy: EnginePolicy, indexes: Sequence[int]) -> None:
        """Route by these filters; `indexes` of the policy's workflows, in its order."""
        self.route_of = EventFilter(policy.integration_name, policy.workflows, indexes).route
        self._all = frozenset(indexes)

    def is_done_before(self, tenure: Tenure, offset: int) -> bool:
        """Whether every workflow is done with the offset by the map that the tenure began with."""
        return tenure.has_map and self._all <= tenure.done_before(offset)

    def take(self, tenure: Tenure, routed: Sequence[Routed]) -> None:
        """Admit these events, the partition's next, and offer each to the workflows that want it."""
        if not routed:
            return
        tenure.invalid_in_a_row = 0
        self._ledger.admit(tenure, [event.record for event, _ in routed])
        for type_, count in Counter([event.type for event, _ in routed]).items():
            self._stats.received[tenure.tp.topic, type_label(type_)] += count
        self._send_on(tenure, routed)

    def take_admitted(self, tenure: Tenure, event: Event) -> None:
        """Offer an event that was admitted before, when it passed for none."""
        route = self.route_of(event)
        event.payload = NO_PAYLOAD
        self._send_on(tenure, [(event, route)])

    def _send_on(self, tenure: Tenure, routed: Sequence[Routed]) -> None:
        wanting: dict[int, list[OpenEvent]] = defaultdict(list)
        ended: dict[Settlement, list[Record]] = defaultdict(list)
        for event, route in routed:
            if route.unwanted:
                self._count_unwanted(event.record, route)
            wanted = self._not_done(tenure, event.record.offset, route.wanted) if tenure.has_map else route.wanted
            if not wanted:
                ended[self._end(tenure, event.record.offset, route)].append(event.record)
                continue
            open_event = OpenEvent(event, tenure, len(wanted))
            if len(wanted) < len(route.wanted):
                open_event.settlement = Settlement.DELIVERED
            for workflow in wanted:
                wanting[workflow].append(open_event)
        for workflow, opened in wanting.items():
            self._deliverer.offer(workflow, tenure, opened)
        for settlement, records in ended.items():
            self._ledger.settle(tenure, records, settlement)

    def _count_unwanted(self, record: Record, route: Route) -> None:
        for workflow, reason in route.unwanted:
            line = self._deliverer.lines[workflow]
            line.stats.filtered[reason] += 1
            for listener in self._listeners:
                listener.on_filtered(record, line.policy.name, reason)

    def _not_done(self, tenure: Tenure, offset: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the workflows that have not got it by the map that the tenure began with."""
        done = tenure.done_before(offset)
        for workflow in done.intersection(wanted):
            self._deliverer.lines[workflow].stats.deliveries["avoided"] += 1
        return tuple([workflow for workflow in wanted if workflow not in done])

    def _end(self, tenure: Tenure, offset: int, route: Route) -> Settlement:
        """The end of an event that no workflow is to get now."""
        if self.is_done_before(tenure, offset):
            return Settlement.AVOIDED
        return Settlement.DELIVERED if route.wanted else Settlement.FILTERED

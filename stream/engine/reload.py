"""Other settings for an engine that runs: workflows added, removed and changed, between two steps of the event loop.

An index belongs to its workflow as long as anything of it is open. The line of a removed workflow stays until what is
in flight was answered; then its index may be another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from stream.engine.deliverer import Deliverer
from stream.engine.endings import Endings
from stream.engine.ledger import Ledger
from stream.engine.partition import Delivery, Phase, Tenure, WorkflowShare
from stream.engine.workflow import Line
from stream.model.commit_map import name_hash
from stream.model.events import Event, FilterReason
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import Clock, Logger, Sender
from stream.model.records import Record
from stream.model.statistics import EngineStats, WorkflowStats
from stream.rules.filter import WorkflowFilter
from stream.rules.listener import Spans

Decode = Callable[[Record], object]


class Reconfiguration:
    """Changes the lines of an engine, and ends what waits for nobody any more.

    `hashes` has those of the workflows' names by index, None where there is no workflow.
    """

    def __init__(
        self,
        policy: EnginePolicy,
        hashes: list[int | None],
        ledger: Ledger,
        deliverer: Deliverer,
        endings: Endings,
        stats: EngineStats,
        clock: Clock,
        logger: Logger,
        spans: Spans | None,
    ) -> None:
        self._policy = policy
        self._hashes = hashes
        self._ledger = ledger
        self._deliverer = deliverer
        self._endings = endings
        self._stats = stats
        self._clock = clock
        self._logger = logger
        self._spans = spans
        self._touched: set[int] = set()
        """Indexes of the lines whose queues the last change concerns."""

    @property
    def indexes(self) -> list[int]:
        """Those of the policy's workflows, in its order."""
        by_name = {line.policy.name: i for i, line in enumerate(self._lines) if not line.is_removed}
        return [by_name[workflow.name] for workflow in self._policy.workflows]

    def change_lines(self, policy: EnginePolicy, senders: Sequence[Sender]) -> None:
        """Make the lines fit the policy; `senders` in the order of its workflows."""
        old, self._policy, self._touched = self._policy, policy, set()
        names = {workflow.name for workflow in policy.workflows}
        for index, line in enumerate(self._lines):
            if line.policy.name not in names and not line.is_removed:
                line.is_removed, self._hashes[index] = True, None
                self._touched.add(index)
        for workflow, sender in zip(policy.workflows, senders, strict=True):
            index = self._index_for(workflow.name)
            if index < len(self._lines) and self._lines[index].policy.name == workflow.name:
                self._change(index, workflow, old, sender)
            else:
                self._put(index, workflow, policy, sender)
            self._hashes[index] = name_hash(workflow.name)

    def sweep(self, decode: Decode) -> None:
        """End what waits and is not wanted any more, or named to be given up; lay the lanes of the rest anew.

        `decode` reads an event again, since its payload is dropped once it is routed.
        """
        for index in self._touched:
            self._sweep(index, self._lines[index], decode)

    def tidy(self) -> None:
        """Forget the numbers of removed workflows whose last request was answered."""
        for index, line in enumerate(self._lines):
            if line.is_removed and self._stats.workflows.get(line.policy.name) is line.stats and self._is_spent(index):
                del self._stats.workflows[line.policy.name]

    # Lines.

    def _change(self, index: int, workflow: WorkflowPolicy, old: EnginePolicy, sender: Sender) -> None:
        line = self._lines[index]
        before, was_removed = line.policy, line.is_removed
        line.reconfigure(workflow, self._policy, sender, self._clock, self._spans)
        self._stats.workflows.setdefault(workflow.name, line.stats)
        if before.on_failure == "hold" and workflow.on_failure != "hold":
            self._endings.end_hold(line)
        is_same = _rules_of_the_queue(before, old) == _rules_of_the_queue(workflow, self._policy)
        if was_removed or not is_same:
            self._touched.add(index)

    @property
    def _lines(self) -> list[Line]:
        return self._deliverer.lines

    def _index_for(self, name: str) -> int:
        """Its own, also when it was removed before; else a free one."""
        for index, line in enumerate(self._lines):
            if line.policy.name == name:
                return index
        spent = (index for index, line in enumerate(self._lines) if line.is_removed and self._is_spent(index))
        return next(spent, len(self._lines))

    def _is_spent(self, index: int) -> bool:
        is_open = any(tenure.shares[index].pending for tenure in self._ledger.tenures.values())
        return not is_open and not self._lines[index].dispatcher.in_flight

    def _put(self, index: int, workflow: WorkflowPolicy, policy: EnginePolicy, sender: Sender) -> None:
        """A new line, which takes part from the next record that is read."""
        stats = self._stats.workflows[workflow.name] = WorkflowStats()
        line = Line.build_for(index, workflow, policy, sender, stats, self._clock, self._spans)
        if index == len(self._lines):
            self._lines.append(line)
            self._hashes.append(None)
        else:
            self._lines[index].stop_waiting()
            self._stats.workflows.pop(self._lines[index].policy.name, None)
            self._lines[index] = line
            self._stats.workflows[workflow.name] = stats
        for tenure in self._ledger.tenures.values():
            tenure.shares[index : index + 1] = [WorkflowShare()]

    # Deliveries.

    def _sweep(self, index: int, line: Line, decode: Decode) -> None:
        filter_, dropped = WorkflowFilter(line.policy, self._policy.integration_name), []
        for tenure, delivery in self._pending(index):
            record = delivery.open_event.event.record
            delivery.unwanted = FilterReason.REMOVED if line.is_removed else _reason(filter_, decode(record))
            waits = tenure.phase is Phase.ACTIVE and not (delivery.is_in_flight or delivery.is_ending)
            if waits and delivery.unwanted is not None:
                dropped.append(delivery)
            elif waits and record.place in line.policy.give_up:
                self._endings.give_up(line, delivery)
        if line.is_removed:
            self._tell_removed(line, dropped)
        self._endings.drop(line, dropped)
        active = [tenure for tenure in self._ledger.tenures.values() if tenure.phase is Phase.ACTIVE]
        shares = [tenure.shares[index] for tenure in active]
        line.dispatcher.rebuild(shares, line.lane_of, self._policy.limits.max_lane_events)

    def _pending(self, index: int) -> Iterator[tuple[Tenure, Delivery]]:
        for tenure in self._ledger.tenures.values():
            for delivery in list(tenure.shares[index].pending.values()):
                yield tenure, delivery

    def _tell_removed(self, line: Line, dropped: Sequence[Delivery]) -> None:
        if not dropped:
            return
        places = sorted(delivery.open_event.event.record.place for delivery in dropped)
        self._logger.warning(
            "A workflow was removed; what waited for it ends as filtered, reason removed.",
            workflow=line.policy.name,
            events=len(places),
            first=str(places[0]),
            last=str(places[-1]),
        )


def _reason(filter_: WorkflowFilter, event: object) -> FilterReason | None:
    """Why an event is not wanted; what was valid when it was read stays so."""
    return filter_.reason(event) if isinstance(event, Event) else None


def _rules_of_the_queue(workflow: WorkflowPolicy, engine: EnginePolicy) -> tuple[object, ...]:
    """What decides on events that wait already, and on the order in which they do."""
    wanted = workflow.types, workflow.exclude_types, workflow.events, engine.integration_name
    return *wanted, workflow.ordering, workflow.give_up, engine.limits.max_lane_events

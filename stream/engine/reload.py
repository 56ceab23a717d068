"""Other settings for an engine that runs: workflows added, removed and changed, in one step.

An index belongs to its workflow as long as anything of it is open. The state of a removed workflow stays until what is
in flight was answered; then its index may be another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from stream.engine.completion import DeliveryCompletion
from stream.engine.delivery import Delivery, DeliveryState
from stream.engine.ledger import Ledger
from stream.engine.workflow import WorkflowEdges, WorkflowState
from stream.model.commit_map import name_hash
from stream.model.events import Event, FilterReason
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import Logger, Sender
from stream.model.records import Record
from stream.model.statistics import EngineStats, WorkflowStats
from stream.rules.filter import WorkflowFilter

Decode = Callable[[Record], object]


class WorkflowChanges:
    """Changes the workflows of an engine, and ends what waits for none of them.

    `hashes` has those of the workflows' names by index, None where there is no workflow.
    """

    def __init__(
        self,
        policy: EnginePolicy,
        hashes: list[int | None],
        workflows: list[WorkflowState],
        ledger: Ledger,
        completion: DeliveryCompletion,
        stats: EngineStats,
        edges: WorkflowEdges,
        logger: Logger,
    ) -> None:
        self._policy = policy
        self._hashes = hashes
        self._workflows = workflows
        self._ledger = ledger
        self._completion = completion
        self._stats = stats
        self._edges = edges
        self._logger = logger
        self._changed: dict[int, None] = {}
        """Indexes of the workflows whose queues the last change concerns."""

    @property
    def indexes(self) -> list[int]:
        """Those of the policy's workflows, in its order."""
        by_name = {state.policy.name: i for i, state in enumerate(self._workflows) if not state.is_removed}
        return [by_name[workflow.name] for workflow in self._policy.workflows]

    def change_workflows(self, policy: EnginePolicy, senders: Sequence[Sender]) -> None:
        """Make the workflows fit the policy; `senders` in the order of its workflows."""
        old, self._policy, self._changed = self._policy, policy, {}
        names = {workflow.name for workflow in policy.workflows}
        for index, state in enumerate(self._workflows):
            if state.policy.name not in names and not state.is_removed:
                state.is_removed, self._hashes[index] = True, None
                self._changed[index] = None
        for workflow, sender in zip(policy.workflows, senders, strict=True):
            index = self._index_for(workflow.name)
            if index < len(self._workflows) and self._workflows[index].policy.name == workflow.name:
                self._change(index, workflow, old, sender)
            else:
                self._put(index, workflow, policy, sender)
            self._hashes[index] = name_hash(workflow.name)

    def apply_filters(self, decode: Decode) -> None:
        """End what waits and is no longer wanted, or named to be given up; lay the lanes of the rest anew.

        `decode` reads an event again, since its payload is dropped once it is routed.
        """
        for index in self._changed:
            self._apply_filters(index, self._workflows[index], decode)

    def purge_removed(self) -> None:
        """Forget the numbers of removed workflows whose last request was answered."""
        for index, state in enumerate(self._workflows):
            is_shown = self._stats.workflows.get(state.policy.name) is state.stats
            if state.is_removed and is_shown and self._is_spent(index):
                del self._stats.workflows[state.policy.name]

    # Workflows.

    def _change(self, index: int, workflow: WorkflowPolicy, old: EnginePolicy, sender: Sender) -> None:
        state = self._workflows[index]
        before, was_removed = state.policy, state.is_removed
        state.reconfigure(workflow, self._policy, sender)
        self._stats.workflows.setdefault(workflow.name, state.stats)
        if before.on_failure == "hold" and workflow.on_failure != "hold":
            state.end_hold()
        is_same = _rules_of_the_queue(before, old) == _rules_of_the_queue(workflow, self._policy)
        if was_removed or not is_same:
            self._changed[index] = None

    def _index_for(self, name: str) -> int:
        """Its own, also when it was removed before; else a free one."""
        for index, state in enumerate(self._workflows):
            if state.policy.name == name:
                return index
        spent = (i for i, state in enumerate(self._workflows) if state.is_removed and self._is_spent(i))
        return next(spent, len(self._workflows))

    def _is_spent(self, index: int) -> bool:
        is_open = any(partition.workflows[index].pending for partition in self._ledger.partitions.values())
        return not is_open and not self._workflows[index].dispatcher.in_flight

    def _put(self, index: int, workflow: WorkflowPolicy, policy: EnginePolicy, sender: Sender) -> None:
        """A new workflow, which takes part from the next record that is read."""
        stats = WorkflowStats()
        state = WorkflowState(index, workflow, policy, sender, stats, self._edges)
        if index == len(self._workflows):
            self._workflows.append(state)
            self._hashes.append(None)
        else:
            self._workflows[index].stop_waiting()
            self._stats.workflows.pop(self._workflows[index].policy.name, None)
            self._workflows[index] = state
        self._stats.workflows[workflow.name] = stats
        for partition in self._ledger.partitions.values():
            partition.put_workflow(index)

    # Deliveries.

    def _apply_filters(self, index: int, state: WorkflowState, decode: Decode) -> None:
        filter_, dropped = WorkflowFilter(state.policy, self._policy.integration_name), []
        for delivery in self._pending(index):
            reason = FilterReason.REMOVED if state.is_removed else _reason(filter_, decode(delivery.record))
            delivery.drop_reason = reason
            is_queued = delivery.is_queued or delivery.state is DeliveryState.BACKING_OFF
            waits = delivery.partition.is_active and is_queued
            if waits and reason is not None:
                dropped.append(delivery)
            elif waits and delivery.record.place in state.policy.give_up:
                self._completion.give_up(state, delivery)
        if state.is_removed:
            self._log_removed(state, dropped)
        self._completion.drop(state, dropped)
        active = [partition for partition in self._ledger.partitions.values() if partition.is_active]
        state.rebuild(active, self._policy.limits.max_lane_events)

    def _pending(self, index: int) -> Iterator[Delivery]:
        for partition in self._ledger.partitions.values():
            yield from list(partition.workflows[index].pending.values())

    def _log_removed(self, state: WorkflowState, dropped: Sequence[Delivery]) -> None:
        if not dropped:
            return
        places = sorted(delivery.record.place for delivery in dropped)
        self._logger.warning(
            "A workflow was removed; what waited for it ends as filtered, reason removed.",
            workflow=state.policy.name,
            events=len(places),
            first=str(places[0]),
            last=str(places[-1]),
        )


def _reason(filter_: WorkflowFilter, event: object) -> FilterReason | None:
    """Why an event is not wanted; what was valid when it was read stays so."""
    return filter_.reason(event) if isinstance(event, Event) else None


def _rules_of_the_queue(workflow: WorkflowPolicy, engine: EnginePolicy) -> tuple[object, ...]:
    """What decides on events that wait already, and on the order in which they do."""
    wanted = workflow.types, workflow.exclude_types, workflow.events, workflow.filters, engine.integration_name
    return *wanted, workflow.ordering, workflow.give_up, engine.limits.max_lane_events

"""How a delivery ends: delivered, dropped by the settings, given up, or as a dead letter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from stream.engine.dead_letters import DeadLetterWriter
from stream.engine.delivery import Delivery, DeliveryState
from stream.engine.delivery_rules import RulesInForce
from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionState
from stream.engine.steps import Touched
from stream.engine.workflow import WorkflowState
from stream.model.events import DeadLetter, FilterReason, Reason, Settlement
from stream.model.ports import Logger
from stream.model.records import Record
from stream.rules.listener import DeliveryListener


class DeliveryCompletion:
    """Ends deliveries, and settles an event with its last one."""

    def __init__(
        self,
        rules: RulesInForce,
        ledger: Ledger,
        letters: DeadLetterWriter,
        touched: Touched,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._letters = letters
        self._touched = touched
        self._logger = logger
        self._listeners = listeners

    def finish(self, workflow: WorkflowState, deliveries: Sequence[Delivery]) -> None:
        """It is done with these events: their lanes are free, and with its last workflow an offset settles."""
        workflow.dispatcher.release(deliveries)
        self._close(workflow, deliveries)

    def drop(self, workflow: WorkflowState, deliveries: Sequence[Delivery]) -> None:
        """The settings changed and the workflow no longer wants these; their lanes are the caller's business."""
        for delivery in deliveries:
            reason = delivery.drop_reason or FilterReason.REMOVED
            for listener in self._listeners:
                listener.on_filtered(delivery.record, workflow.policy.name, reason)
            if reason is FilterReason.REMOVED:
                self._ledger.count_removed()
            else:
                workflow.stats.filtered[reason] += 1
        self._close(workflow, deliveries)

    def give_up(self, workflow: WorkflowState, delivery: Delivery, *, holds_lane: bool = False) -> None:
        """The settings name the event: it ends without another attempt. A lane that it holds is free once it ended."""
        if self._rules.dead_letters.enabled:
            state = DeliveryState.ENDING if holds_lane else DeliveryState.GIVING_UP
            self.dead_letter(workflow, delivery, Reason.GIVEN_UP, "The settings name it in give_up.", "", state)
            return
        workflow.stats.filtered[FilterReason.GIVEN_UP] += 1
        for listener in self._listeners:
            listener.on_filtered(delivery.record, workflow.policy.name, FilterReason.GIVEN_UP)
        if holds_lane:
            workflow.dispatcher.release([delivery])
        self._close(workflow, [delivery])

    def dead_letter(
        self,
        workflow: WorkflowState,
        delivery: Delivery,
        reason: Reason,
        detail: str,
        status: str,
        state: DeliveryState = DeliveryState.ENDING,
    ) -> None:
        """Write its dead letter; the delivery ends once that is acknowledged."""
        delivery.state = state
        name, partition = workflow.policy.name, delivery.partition
        letter = DeadLetter(delivery.record, reason, detail, name, status, delivery.attempts, partition.topic_id)
        self._letters.write(letter, partition, partial(self._dead_lettered, workflow, delivery, letter))

    def _dead_lettered(self, workflow: WorkflowState, delivery: Delivery, letter: DeadLetter) -> None:
        reason, record, name = letter.reason, letter.record, workflow.policy.name
        workflow.stats.dead_letters[reason] += 1
        delivery.open_event.settlement = Settlement.DEAD_LETTERED
        for listener in self._listeners:
            listener.on_dead_lettered(record, name, reason, letter.topic_id)
        place, status = str(record.place), letter.status
        self._logger.warning("An event became a dead letter.", workflow=name, reason=reason, status=status, place=place)
        if delivery.state is DeliveryState.ENDING:
            self.finish(workflow, [delivery])
        else:
            self._close(workflow, [delivery])

    def _close(self, workflow: WorkflowState, deliveries: Sequence[Delivery]) -> None:
        done: dict[tuple[PartitionState, Settlement], list[Record]] = defaultdict(list)
        over = DeliveryState.OVER
        for delivery in deliveries:
            open_event = delivery.open_event
            record = open_event.event.record
            del delivery.partition_workflow.pending[record.offset]
            delivery.state = over
            open_event.pending -= 1
            if not open_event.pending:
                done[open_event.partition, open_event.settlement].append(record)
        if workflow.held:
            workflow.release_held(deliveries)
        for (partition, settlement), records in done.items():
            self._ledger.settle(partition, records, settlement)
        self._touched.workflow(workflow)

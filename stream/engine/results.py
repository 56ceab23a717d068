"""What came back of attempts, taken together as it came in one turn of the event loop."""

from __future__ import annotations

from collections.abc import Sequence

from stream.engine.completion import DeliveryCompletion
from stream.engine.delivery import Delivery, DeliveryState
from stream.engine.delivery_rules import RulesInForce
from stream.engine.failure import Failures
from stream.engine.partition import Phase
from stream.engine.steps import Steps
from stream.engine.workflow import WorkflowState
from stream.model.attempts import RESENT
from stream.model.events import Settlement
from stream.model.ports import AttemptResult
from stream.rules.listener import DeliveryListener
from stream.rules.outcome import Verdict


class Results:
    """Counts results, and hands each to who knows what follows."""

    def __init__(
        self,
        rules: RulesInForce,
        completion: DeliveryCompletion,
        failures: Failures,
        steps: Steps,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self._rules = rules
        self._completion = completion
        self._failures = failures
        self._steps = steps
        self._listeners = listeners

    def on_results(self, workflow: WorkflowState, results: Sequence[AttemptResult]) -> None:
        """Results of one workflow since the last time. Deliveries are completed together, after what failed."""
        verdict_of, attempts, name = self._rules.outcomes.verdict, workflow.stats.attempts, workflow.policy.name
        elapsed, pushed_back, probed = list[float](), list[float](), list[float]()
        delivered: list[Delivery] = []
        in_flight, probing, active, good = (
            DeliveryState.IN_FLIGHT,
            DeliveryState.PROBING,
            Phase.ACTIVE,
            Verdict.DELIVERED,
        )
        is_healthy = workflow.is_healthy
        for delivery, answer, elapsed_s in results:
            is_probe = delivery.state is probing
            if not is_probe and delivery.state is not in_flight:
                continue  # abandoned while its answer was on the way to us
            for listener in self._listeners:
                number = delivery.attempts + is_probe  # which is charged later, if it succeeds
                listener.on_attempt(delivery.record, name, number, answer, elapsed_s)
            if answer is RESENT:
                self._count_resent(workflow, delivery)
                continue
            partition = delivery.open_event.partition
            partition.in_flight -= 1
            if partition.phase is not active:
                self._steps.touched.partition(partition)  # it may be idle now
            attempts[answer.code] += 1
            elapsed.append(elapsed_s)
            if is_probe:
                probed.append(elapsed_s)
            verdict = verdict_of(answer)
            if verdict is good:
                if is_probe or not is_healthy:
                    self._failures.on_workflow_works(workflow, delivery, delivered=True)
                for listener in self._listeners:
                    listener.on_delivered(delivery.record, name, delivery.attempts, answer.status)
                delivered.append(delivery)
                continue
            if verdict is Verdict.RETRY and not is_probe:
                pushed_back.append(elapsed_s)
            self._failures.on_not_delivered(workflow, delivery, answer, verdict)
            is_healthy = False
        self._observe(workflow, elapsed, pushed_back, probed)
        if delivered:
            self._complete(workflow, delivered)
        self._steps.touched.workflow(workflow)

    def _count_resent(self, workflow: WorkflowState, delivery: Delivery) -> None:
        """Count the request that was sent again; nothing is known of the first one."""
        workflow.stats.attempts[RESENT.code] += 1
        delivery.attempts += 1

    def _observe(
        self, workflow: WorkflowState, elapsed: list[float], pushed_back: list[float], probed: Sequence[float]
    ) -> None:
        workflow.stats.attempt_duration.observe_all(elapsed)
        for elapsed_s in probed:  # one at a time: it says nothing about how many may be in flight
            elapsed.remove(elapsed_s)
        workflow.pace.concurrency.observe(elapsed, pushed_back, self._steps.monotonic())

    def _complete(self, workflow: WorkflowState, deliveries: Sequence[Delivery]) -> None:
        stats, wall = workflow.stats, self._steps.wall()
        workflow.dispatcher.land(len(deliveries))
        stats.deliveries["delivered"] += len(deliveries)
        stats.last_delivery_at = wall
        ages = []
        for delivery in deliveries:
            open_event = delivery.open_event
            if open_event.settlement is Settlement.FILTERED:
                open_event.settlement = Settlement.DELIVERED
            timestamp_ms = open_event.event.record.timestamp_ms
            if timestamp_ms >= 0:
                ages.append(max(0.0, wall - timestamp_ms / 1000))
        stats.age.observe_all(ages)
        self._completion.finish(workflow, deliveries)

"""What a failed attempt leads to: another one, a longer closing of the gate, a hold, or a dead letter."""

from __future__ import annotations

from functools import partial
from random import Random

from stream.engine.completion import DeliveryCompletion
from stream.engine.delivery import Delivery, DeliveryState
from stream.engine.delivery_rules import RulesInForce
from stream.engine.steps import Steps
from stream.engine.workflow import WorkflowState
from stream.model.attempts import Answer
from stream.model.events import Reason
from stream.model.held import Hold
from stream.model.ports import Logger
from stream.model.timeparse import format_wall
from stream.rules.outcome import Verdict, describe_answer, retry_after_s
from stream.rules.quoted import without_quotes

_PUSH_BACK = (429, 503)
"""Statuses whose Retry-After closes the gate."""


class Failures:
    """Judges each attempt that did not deliver, and what each answer says of the workflow."""

    def __init__(
        self, rules: RulesInForce, completion: DeliveryCompletion, steps: Steps, rng: Random, logger: Logger
    ) -> None:
        self._rules = rules
        self._completion = completion
        self._steps = steps
        self._rng = rng
        self._logger = logger

    def on_not_delivered(self, workflow: WorkflowState, delivery: Delivery, answer: Answer, verdict: Verdict) -> None:
        """An attempt came back, and its event is not delivered."""
        if (hold := workflow.held.get(delivery)) is not None:
            hold.answer = answer.code
        if verdict is not Verdict.REJECTED:
            workflow.note_failure(describe_answer(answer))
        if delivery.drop_reason is not None:
            self._dropped(workflow, delivery, answer)
        elif verdict is Verdict.REJECTED:
            self._rejected(workflow, delivery, answer)
        elif delivery.state is DeliveryState.PROBING:
            self._probe_failed(workflow, delivery, self._pause_asked(answer))
        else:
            self._failed(workflow, delivery, answer, verdict)

    def on_workflow_works(self, workflow: WorkflowState, delivery: Delivery, *, delivered: bool) -> None:
        """The answer shows that the workflow works: it has taken an event, or refused this one alone."""
        gate, now = workflow.gate, self._steps.monotonic()
        workflow.note_success()
        if delivery.state is DeliveryState.PROBING:
            delivery.attempts += 1
            gate.probe_over()
        closed_since, was_held = gate.closed_since, gate.is_held
        gate.on_good(delivery.gate_generation, now, delivered)
        if delivered and not gate.is_held:
            workflow.letters_in_a_row = 0
        if gate.is_open and closed_since is not None:
            self._log_open(workflow, now - closed_since)
            if was_held and not self._holds(workflow):
                workflow.end_hold()

    def remind(self, workflow: WorkflowState) -> None:
        """Say again what is held, as long as anything is: how much, and which to give up first."""
        if workflow.held:
            self._logger.error(
                "Events are held: they end badly and are not given up. To give one up, name it in the workflow's "
                "give_up.",
                workflow=workflow.policy.name,
                held=len(workflow.held),
                give_up=str(min(delivery.record.place for delivery in workflow.held)),
            )

    # What came back.

    def _dropped(self, workflow: WorkflowState, delivery: Delivery, answer: Answer) -> None:
        """The settings changed while it was in flight: it is not tried again."""
        gate, pause, now = workflow.gate, self._pause_asked(answer), self._steps.monotonic()
        was_open = gate.is_open
        if delivery.state is DeliveryState.PROBING:
            gate.probe_over()
        if pause > 0:
            gate.pause(pause, now)
            self._log_closed(workflow, answer, was_open)
        workflow.dispatcher.land()
        self._completion.drop(workflow, [delivery])
        workflow.dispatcher.release([delivery])

    def _rejected(self, workflow: WorkflowState, delivery: Delivery, answer: Answer) -> None:
        if delivery.state is DeliveryState.PROBING and workflow.gate.is_held:
            self._probe_failed(workflow, delivery, 0.0)
            return
        self.on_workflow_works(workflow, delivery, delivered=False)
        self._end_badly(workflow, delivery, Reason.REJECTED, answer)

    def _failed(self, workflow: WorkflowState, delivery: Delivery, answer: Answer, verdict: Verdict) -> None:
        gate, retry, now = workflow.gate, self._rules.retry, self._steps.monotonic()
        was_open, at_fault = gate.is_open, verdict is Verdict.RETRY_WORKFLOW
        pause, jitter = self._pause_asked(answer), self._rng.random()
        gate.on_failure(delivery.gate_generation, delivery.lane_identity, at_fault, pause, now, jitter)
        self._log_closed(workflow, answer, was_open)
        is_held = delivery in workflow.held
        wait = retry.max_s if is_held else retry.backoff_s(delivery.attempts, self._rng.random())
        is_over = retry.is_expired(delivery.clock_start, gate.open_time(now) + wait)
        if is_over and not is_held:
            self._end_badly(workflow, delivery, Reason.EXPIRED, answer)
        else:
            self._back_off(workflow, delivery, now + wait)

    def _probe_failed(self, workflow: WorkflowState, delivery: Delivery, pause: float) -> None:
        """Nothing is charged to the event; its lane is probed again when every other one was."""
        now, jitter = self._steps.monotonic(), self._rng.random()
        workflow.gate.on_probe_failed(delivery.gate_generation, pause, now, jitter)
        self._requeue(workflow, delivery)

    # What follows.

    def _end_badly(self, workflow: WorkflowState, delivery: Delivery, reason: Reason, answer: Answer) -> None:
        """Its last attempt came back rejected, or its time is over."""
        if self._holds(workflow):
            self._hold(workflow, delivery, reason, answer)
            self._back_off(workflow, delivery, self._steps.monotonic() + self._rules.retry.max_s)
        elif workflow.letters_in_a_row >= self._rules.dead_letters.max_consecutive:
            self._trip_flood_guard(workflow, delivery, reason, answer)
        else:
            workflow.letters_in_a_row += 1
            workflow.dispatcher.land()
            workflow.stats.deliveries[reason] += 1
            detail = _detail(workflow, delivery, answer)
            self._completion.dead_letter(workflow, delivery, reason, detail, answer.code)

    def _back_off(self, workflow: WorkflowState, delivery: Delivery, due_at: float) -> None:
        """It keeps its lane and is tried again at `due_at` (monotonic seconds), unless its partition goes."""
        if self._stays_queued(workflow, delivery):
            workflow.dispatcher.back_off(delivery)
            self._steps.call_at(due_at, partial(self._resume, workflow, delivery))

    def _requeue(self, workflow: WorkflowState, delivery: Delivery) -> None:
        """It is probed again when every other lane was, unless its partition goes."""
        if self._stays_queued(workflow, delivery):
            workflow.dispatcher.back_off(delivery)
            workflow.dispatcher.requeue_probed(delivery)

    def _stays_queued(self, workflow: WorkflowState, delivery: Delivery) -> bool:
        """Whether it is tried again: its partition stays, and the settings do not name it by now."""
        if not delivery.partition.is_active:
            workflow.dispatcher.land()
            delivery.state = DeliveryState.ABANDONED
            return False
        if delivery.record.place in workflow.policy.give_up:
            workflow.dispatcher.land()
            self._completion.give_up(workflow, delivery, holds_lane=True)
            return False
        return True

    def _resume(self, workflow: WorkflowState, delivery: Delivery) -> None:
        if not delivery.partition.is_active or delivery.state is not DeliveryState.BACKING_OFF:
            return  # it may have ended when the settings changed
        if workflow.gate.is_open:
            workflow.dispatcher.resume(delivery)
        else:
            workflow.dispatcher.requeue_probed(delivery)
        self._steps.touched.workflow(workflow)

    def _holds(self, workflow: WorkflowState) -> bool:
        """Whether nothing of it is given up by itself."""
        return workflow.policy.on_failure == "hold" or not self._rules.dead_letters.enabled

    def _trip_flood_guard(self, workflow: WorkflowState, delivery: Delivery, reason: Reason, answer: Answer) -> None:
        """What comes next would be a dead letter as well: it waits, and probes find out when that has changed."""
        if not workflow.gate.is_held:
            self._logger.error(
                "The workflow is held: dead letters in a row without a delivery. Probes find out when it takes events.",
                workflow=workflow.policy.name,
                dead_letters=workflow.letters_in_a_row,
            )
        workflow.gate.hold(self._steps.monotonic(), self._rng.random())
        self._hold(workflow, delivery, reason, answer)
        self._requeue(workflow, delivery)

    def _hold(self, workflow: WorkflowState, delivery: Delivery, reason: Reason, answer: Answer) -> None:
        if delivery in workflow.held:
            return
        workflow.held[delivery] = Hold(self._steps.wall(), reason, answer.code)
        self._logger.error(
            "An event is held: it ends badly and is not given up. To give it up, name it in the workflow's give_up.",
            workflow=workflow.policy.name,
            reason=reason,
            status=answer.code,
            give_up=str(delivery.record.place),
        )

    # The gate.

    def _pause_asked(self, answer: Answer) -> float:
        """Seconds that a Retry-After asks for, where it counts."""
        if answer.status not in _PUSH_BACK:
            return 0.0
        return retry_after_s(answer.retry_after, self._steps.wall(), answer.date)

    def _log_open(self, workflow: WorkflowState, closed_s: float) -> None:
        self._logger.info(
            "The workflow answers again; its gate is open.",
            workflow=workflow.policy.name,
            closed_since=format_wall(self._steps.wall() - closed_s),
            closed_for_s=round(closed_s, 1),
            limit_key="",
        )

    def _log_closed(self, workflow: WorkflowState, answer: Answer, was_open: bool) -> None:
        if workflow.gate.is_open or not was_open:
            return
        self._logger.warning(
            "The workflow is failing: its gate is closed and only probes are sent.",
            workflow=workflow.policy.name,
            host=workflow.policy.shown_host,
            answer=answer.code,
            **({"reason": answer.excerpt} if answer.failure else {}),  # our own text; a body is never quoted
            next_probe_in_s=round(workflow.gate.closed_until - self._steps.monotonic(), 1),
        )


def _detail(workflow: WorkflowState, delivery: Delivery, answer: Answer) -> str:
    """What the workflow said to it, without what it quotes."""
    secrets = [*(value for _, value in workflow.policy.headers), *workflow.policy.secrets]
    return without_quotes(answer.excerpt, delivery.open_event.event.body, secrets)

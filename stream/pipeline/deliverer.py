"""Attempts: which are started when, and what each answer leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from stream.core.model import Answer, Event, Reason
from stream.core.outcome import OutcomeTable, Verdict, retry_after_s
from stream.core.pace import Turn
from stream.core.ports import Journal, Scheduler
from stream.core.retry import RetryPolicy
from stream.core.tenure import Delivery, OpenEvent, Phase, Tenure
from stream.pipeline.endings import Endings
from stream.pipeline.line import Line
from stream.pipeline.steps import Steps

_PUSH_BACK = (429, 503)
"""Statuses whose Retry-After closes the gate."""


@dataclass(frozen=True)
class DeliveryRules:
    """What an answer means, and when a failed attempt is made again."""

    outcomes: OutcomeTable
    retry: RetryPolicy


class Deliverer:
    """Delivers each wanted event to each wanting workflow, in the order of its lanes."""

    def __init__(
        self,
        lines: Sequence[Line],
        rules: DeliveryRules,
        endings: Endings,
        clock: Scheduler,
        rng: Random,
        journal: Journal,
        steps: Steps,
    ) -> None:
        self.lines = lines
        self.on_idle: Callable[[Tenure], None] = lambda _tenure: None
        self._rules = rules
        self._endings = endings
        self._clock = clock
        self._rng = rng
        self._journal = journal
        self._steps = steps
        endings.pump = self.pump

    # Offering and starting.

    def offer(self, event: Event, tenure: Tenure, wanting: Sequence[int], delivered_before: bool) -> None:
        """An admitted event for the workflows `wanting` (indexes); `pump` starts it.

        `delivered_before`: by the commit's map another workflow has it already.
        """
        open_event = OpenEvent(event, tenure, len(wanting), delivered=delivered_before)
        record, now = event.record, self._clock.monotonic()
        for workflow in wanting:
            line = self.lines[workflow]
            tenure.shares[workflow].pending[record.offset] = record.timestamp_ms
            delivery = Delivery(open_event, workflow, line.lane_of(event), line.pace.gate.open_time(now))
            if line.policy.give_up and record.place in line.policy.give_up:
                self._endings.give_up(line, delivery)
            else:
                line.dispatcher.offer(delivery)

    def pump(self, line: Line) -> None:
        """Start every delivery of this workflow that may start now."""
        dispatcher, pace = line.dispatcher, line.pace
        if dispatcher.has_ready:
            now = self._clock.monotonic()
            while dispatcher.has_ready:
                turn = pace.turn(dispatcher.in_flight, now)
                if turn is Turn.SEND:
                    delivery = dispatcher.take()
                    if not (delivery.is_held and self._endings.gave_up_held(line, delivery)):
                        delivery.attempts += 1
                        self._send(line, delivery, now)
                elif turn is Turn.PROBE:
                    delivery = dispatcher.take_probe()
                    if not (delivery.is_held and self._endings.gave_up_held(line, delivery)):
                        self._probe(line, delivery, now)
                else:
                    self._wake_later(line)
                    break
        line.refresh_gauges()

    def pump_all(self) -> None:
        """Start every delivery that may start now."""
        for line in self.lines:
            self.pump(line)

    def _probe(self, line: Line, delivery: Delivery, now: float) -> None:
        """Not charged to the event unless it succeeds."""
        delivery.is_probe = True
        line.pace.gate.probe_sent()
        self._send(line, delivery, now)

    def _send(self, line: Line, delivery: Delivery, now: float) -> None:
        if delivery.clock_start < 0:
            delivery.clock_start = line.pace.gate.open_time(now)
        open_event = delivery.open_event
        open_event.tenure.in_flight.add(delivery)
        delivery.request = line.sender.send(line.build(open_event.event), partial(self._on_answer, delivery))

    def _wake_later(self, line: Line) -> None:
        if line.wake is not None:
            line.wake.cancel()
            line.wake = None
        if line.pace.wake_at is not None:
            line.wake = self._clock.call_at(line.pace.wake_at, partial(self._woken, line))

    def _woken(self, line: Line) -> None:
        line.wake = None
        self.pump(line)

    # Partitions that go.

    def forget(self, tenure: Tenure) -> None:
        """Start nothing of this tenure any more."""
        for line in self.lines:
            line.forget(tenure)

    def abort(self, tenure: Tenure) -> None:
        """Give up the attempts in flight; their connections are closed and no answer of them counts."""
        for delivery in tenure.in_flight:
            line = self.lines[delivery.workflow]
            if delivery.request is not None:
                delivery.request.cancel()
            if delivery.is_probe:
                line.pace.gate.probe_over()
            line.dispatcher.land()
            line.stats.deliveries["stale"] += 1
        tenure.in_flight.clear()
        self.pump_all()

    # Answers.

    def _on_answer(self, delivery: Delivery, answer: Answer) -> None:
        line, tenure = self.lines[delivery.workflow], delivery.open_event.tenure
        tenure.in_flight.discard(delivery)
        delivery.request = None
        line.stats.attempts[answer.code] += 1
        line.stats.attempt_duration.observe(answer.elapsed_s)
        verdict, now = self._rules.outcomes.verdict(answer), self._clock.monotonic()
        line.pace.concurrency.observe(answer.elapsed_s, verdict is Verdict.RETRY, now)
        if verdict is Verdict.DELIVERED:
            self._delivered(line, delivery, answer, now)
        elif verdict is Verdict.REJECTED:
            self._rejected(line, delivery, answer, now)
        elif delivery.is_probe:
            self._probe_failed(line, delivery, self._pause_asked(answer), now)
        else:
            self._failed(line, delivery, answer, verdict, now)
        self.pump(line)
        if tenure.phase is Phase.DRAINING and tenure.is_idle:
            self.on_idle(tenure)

    def _delivered(self, line: Line, delivery: Delivery, answer: Answer, now: float) -> None:
        self._workflow_works(line, delivery, True, now)
        line.letters_in_a_row = 0
        line.dispatcher.land()
        stats, open_event, wall = line.stats, delivery.open_event, self._clock.wall()
        record = open_event.event.record
        stats.deliveries["delivered"] += 1
        stats.last_delivery_at = wall
        if record.timestamp_ms >= 0:
            stats.age.observe(max(0.0, wall - record.timestamp_ms / 1000))
        if self._steps.is_on:
            fields = {"attempts": delivery.attempts, "status": answer.status}
            self._steps.emit("delivered", record, line.policy.name, **fields)
        open_event.delivered = True
        self._endings.finish(line, delivery)

    def _rejected(self, line: Line, delivery: Delivery, answer: Answer, now: float) -> None:
        if delivery.is_probe and line.pace.gate.is_held:
            self._probe_failed(line, delivery, 0.0, now)
            return
        self._workflow_works(line, delivery, False, now)
        self._endings.end_badly(line, delivery, Reason.REJECTED, answer, now)

    def _failed(self, line: Line, delivery: Delivery, answer: Answer, verdict: Verdict, now: float) -> None:
        gate, retry = line.pace.gate, self._rules.retry
        was_open = gate.is_open
        at_fault = verdict is Verdict.RETRY_WORKFLOW
        gate.on_failure(delivery.lane_identity, at_fault, self._pause_asked(answer), now, self._rng.random())
        if was_open and not gate.is_open:
            self._tell_closed(line, answer, now)
        wait = retry.max_s if delivery.is_held else retry.backoff_s(delivery.attempts, self._rng.random())
        is_over = retry.is_expired(delivery.clock_start, gate.open_time(now) + wait)
        if is_over and not delivery.is_held:
            self._endings.end_badly(line, delivery, Reason.EXPIRED, answer, now)
        else:
            self._endings.back_off(line, delivery, now + wait)

    def _probe_failed(self, line: Line, delivery: Delivery, pause: float, now: float) -> None:
        """Nothing is charged to the event; its lane is probed again when every other one was."""
        delivery.is_probe = False
        line.pace.gate.on_probe_failed(pause, now, self._rng.random())
        self._endings.requeue_probed(line, delivery)

    def _workflow_works(self, line: Line, delivery: Delivery, delivered: bool, now: float) -> None:
        gate = line.pace.gate
        if delivery.is_probe:
            delivery.is_probe = False
            delivery.attempts += 1
            gate.probe_over()
        was_open, was_held = gate.is_open, gate.is_held
        gate.on_good(now, delivered)
        if gate.is_open and not was_open:
            self._journal.info("The workflow answers again; its gate is open.", workflow=line.policy.name)
            if was_held:
                self._endings.end_flood_hold(line)

    def _pause_asked(self, answer: Answer) -> float:
        """Seconds that a Retry-After asks for, where it counts."""
        return retry_after_s(answer.retry_after, self._clock.wall()) if answer.status in _PUSH_BACK else 0.0

    def _tell_closed(self, line: Line, answer: Answer, now: float) -> None:
        self._journal.warning(
            "The workflow is failing: its gate is closed and only probes are sent.",
            workflow=line.policy.name,
            answer=answer.code,
            for_s=round(line.pace.gate.closed_until - now, 1),
        )

"""Attempts: which are started when, and what each answer leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from stream.engine.endings import Endings
from stream.engine.pacing import Turn
from stream.engine.partition import Delivery, OpenEvent, Phase, Tenure
from stream.engine.workflow import Line
from stream.model.attempts import RESENT, Answer
from stream.model.events import Reason, Settlement
from stream.model.ports import AttemptResult, Logger, Scheduler
from stream.model.timeparse import format_time
from stream.rules.listener import DeliveryListener
from stream.rules.outcome import OutcomeTable, Verdict, retry_after_s
from stream.rules.retry import RetryPolicy

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
        lines: list[Line],
        rules: DeliveryRules,
        endings: Endings,
        clock: Scheduler,
        rng: Random,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self.lines = lines
        """By the engine's indexes; one of a workflow that was removed stays until another takes its place."""
        self.rules = rules
        self.on_idle: Callable[[Tenure], None] = lambda _tenure: None
        self.on_pumped: Callable[[Line], None] = lambda _line: None
        """Told when what may start of a line was started."""
        self._endings = endings
        self._clock = clock
        self._rng = rng
        self._logger = logger
        self._listeners = listeners
        endings.pump = self.pump

    # Offering and starting.

    def offer(self, workflow: int, tenure: Tenure, events: Sequence[OpenEvent]) -> None:
        """Admitted events of one partition that this workflow (index) wants; `pump` starts them."""
        line, share = self.lines[workflow], tenure.shares[workflow]
        lane_of, pending = line.lane_of, share.pending
        queued_at = line.pace.gate.open_time(self._clock.monotonic())
        deliveries = []
        for open_event in events:
            event = open_event.event
            delivery = pending[event.record.offset] = Delivery(open_event, workflow, share, lane_of(event), queued_at)
            deliveries.append(delivery)
        if line.policy.give_up:
            deliveries = [delivery for delivery in deliveries if not self._gave_up(line, delivery)]
        line.dispatcher.offer(deliveries)

    def pump(self, line: Line) -> None:
        """Start every delivery of this workflow that may start now."""
        dispatcher, pace = line.dispatcher, line.pace
        if dispatcher.ready:
            now = self._clock.monotonic()
            while dispatcher.ready:
                turn = pace.turn(dispatcher.in_flight, now)
                if turn is Turn.SEND:
                    self._send(line, dispatcher.take(pace.burst(dispatcher.in_flight)), now)
                elif turn is Turn.PROBE:
                    self._probe(line, dispatcher.take_probe(), now)
                else:
                    self._wake_later(line)
                    break
        line.refresh_gauges()
        self.on_pumped(line)

    def pump_all(self) -> None:
        """Start every delivery that may start now."""
        for line in self.lines:
            self.pump(line)

    def _gave_up(self, line: Line, delivery: Delivery) -> bool:
        if delivery.open_event.event.record.place not in line.policy.give_up:
            return False
        self._endings.give_up(line, delivery)
        return True

    def _probe(self, line: Line, delivery: Delivery, now: float) -> None:
        """Not charged to the event unless it succeeds."""
        delivery.is_probe = True
        line.pace.gate.probe_sent()
        self._send(line, [delivery], now, charge=0)

    def _send(self, line: Line, deliveries: Sequence[Delivery], now: float, charge: int = 1) -> None:
        open_time, generation = line.pace.gate.open_time(now), line.pace.gate.generation
        build, send, on_results = line.build, line.sender.send, partial(self._on_results, line)
        may_give_up = bool(line.policy.give_up)
        for delivery in deliveries:
            if may_give_up and self._endings.gave_up(line, delivery):
                continue
            delivery.attempts += charge
            delivery.gate_generation = generation
            if delivery.clock_start < 0:
                delivery.clock_start = open_time
            open_event = delivery.open_event
            open_event.tenure.in_flight.add(delivery)
            send(build(open_event.event), delivery, on_results)

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

    def abort(self, tenures: Sequence[Tenure]) -> None:
        """Give up the attempts in flight of partitions that are over, then start what there is room for now.

        Their connections are closed, and no answer of them counts.
        """
        for tenure in tenures:
            self._abort(tenure)
        self.pump_all()

    def _abort(self, tenure: Tenure) -> None:
        for delivery in tenure.in_flight:
            line = self.lines[delivery.workflow]
            line.cancel(delivery)
            if delivery.is_probe:
                line.pace.gate.probe_over()
            line.dispatcher.land()
            line.stats.deliveries["stale"] += 1
        tenure.in_flight.clear()

    # Answers.

    def _on_results(self, line: Line, results: Sequence[AttemptResult]) -> None:
        """What came since the last time. Deliveries are put on the books together, after what failed."""
        now, verdict_of = self._clock.monotonic(), self.rules.outcomes.verdict
        attempts, elapsed, pushed_back, probed = line.stats.attempts, list[float](), list[float](), list[float]()
        draining: set[Tenure] = set()
        delivered: list[Delivery] = []
        is_calm = line.is_calm
        for delivery, answer, elapsed_s in results:
            tenure = delivery.open_event.tenure
            if delivery not in tenure.in_flight:
                continue  # given up while its answer was on the way to us
            for listener in self._listeners:
                number = delivery.attempts + delivery.is_probe  # which is charged later, if it succeeds
                listener.on_attempt(delivery.open_event.event.record, line.policy.name, number, answer, elapsed_s)
            if answer is RESENT:
                self._resent(line, delivery)
                continue
            tenure.in_flight.remove(delivery)
            if tenure.phase is not Phase.ACTIVE:
                draining.add(tenure)
            attempts[answer.code] += 1
            elapsed.append(elapsed_s)
            if delivery.is_probe:
                probed.append(elapsed_s)
            verdict = verdict_of(answer)
            if verdict is not Verdict.DELIVERED:
                if verdict is Verdict.RETRY and not delivery.is_probe:
                    pushed_back.append(elapsed_s)
                self._not_delivered(line, delivery, answer, verdict, now)
                is_calm = False
                continue
            if not is_calm or delivery.is_probe:
                self._workflow_works(line, delivery, True, now)
            for listener in self._listeners:
                record = delivery.open_event.event.record
                listener.on_delivered(record, line.policy.name, delivery.attempts, answer.status)
            delivered.append(delivery)
        line.stats.attempt_duration.observe_all(elapsed)
        for elapsed_s in probed:  # one at a time: it says nothing about how many may be in flight
            elapsed.remove(elapsed_s)
        line.pace.concurrency.observe(elapsed, pushed_back, now)
        if delivered:
            self._delivered(line, delivered)
        self.pump(line)
        for tenure in draining:
            if tenure.is_idle:
                self.on_idle(tenure)

    def _resent(self, line: Line, delivery: Delivery) -> None:
        """Count the request that was sent again; nothing is known of the first one."""
        line.stats.attempts[RESENT.code] += 1
        delivery.attempts += 1

    def _delivered(self, line: Line, deliveries: Sequence[Delivery]) -> None:
        stats, wall = line.stats, self._clock.wall()
        line.dispatcher.land(len(deliveries))
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
        self._endings.finish(line, deliveries)

    def _not_delivered(self, line: Line, delivery: Delivery, answer: Answer, verdict: Verdict, now: float) -> None:
        if (hold := line.held.get(delivery)) is not None:
            hold.answer = answer.code
        if delivery.unwanted is not None:
            self._drop(line, delivery, answer, now)
        elif verdict is Verdict.REJECTED:
            self._rejected(line, delivery, answer, now)
        elif delivery.is_probe:
            self._probe_failed(line, delivery, self._pause_asked(answer), now)
        else:
            self._failed(line, delivery, answer, verdict, now)

    def _drop(self, line: Line, delivery: Delivery, answer: Answer, now: float) -> None:
        """The settings changed while it was in flight: it is not tried again."""
        gate, pause = line.pace.gate, self._pause_asked(answer)
        was_open = gate.is_open
        if delivery.is_probe:
            gate.probe_over()
        if pause > 0:
            gate.pause(pause, now)
            self._tell_closed(line, answer, was_open, now)
        line.dispatcher.land()
        self._endings.drop(line, [delivery])
        line.dispatcher.release([delivery])

    def _rejected(self, line: Line, delivery: Delivery, answer: Answer, now: float) -> None:
        if delivery.is_probe and line.pace.gate.is_held:
            self._probe_failed(line, delivery, 0.0, now)
            return
        self._workflow_works(line, delivery, False, now)
        self._endings.end_badly(line, delivery, Reason.REJECTED, answer, now)

    def _failed(self, line: Line, delivery: Delivery, answer: Answer, verdict: Verdict, now: float) -> None:
        gate, retry = line.pace.gate, self.rules.retry
        was_open = gate.is_open
        at_fault = verdict is Verdict.RETRY_WORKFLOW
        pause, jitter = self._pause_asked(answer), self._rng.random()
        gate.on_failure(delivery.gate_generation, delivery.lane_identity, at_fault, pause, now, jitter)
        self._tell_closed(line, answer, was_open, now)
        wait = retry.max_s if delivery.is_held else retry.backoff_s(delivery.attempts, self._rng.random())
        is_over = retry.is_expired(delivery.clock_start, gate.open_time(now) + wait)
        if is_over and not delivery.is_held:
            self._endings.end_badly(line, delivery, Reason.EXPIRED, answer, now)
        else:
            self._endings.back_off(line, delivery, now + wait)

    def _probe_failed(self, line: Line, delivery: Delivery, pause: float, now: float) -> None:
        """Nothing is charged to the event; its lane is probed again when every other one was."""
        delivery.is_probe = False
        line.pace.gate.on_probe_failed(delivery.gate_generation, pause, now, self._rng.random())
        self._endings.requeue_probed(line, delivery)

    def _workflow_works(self, line: Line, delivery: Delivery, delivered: bool, now: float) -> None:
        gate = line.pace.gate
        if delivery.is_probe:
            delivery.is_probe = False
            delivery.attempts += 1
            gate.probe_over()
        closed_since, was_held = gate.closed_since, gate.is_held
        gate.on_good(delivery.gate_generation, now, delivered)
        if delivered and not gate.is_held:
            line.letters_in_a_row = 0
        if gate.is_open and closed_since is not None:
            self._tell_open(line, now - closed_since)
            if was_held:
                self._endings.end_flood_hold(line)

    def _pause_asked(self, answer: Answer) -> float:
        """Seconds that a Retry-After asks for, where it counts."""
        if answer.status not in _PUSH_BACK:
            return 0.0
        return retry_after_s(answer.retry_after, self._clock.wall(), answer.date)

    def _tell_open(self, line: Line, closed_s: float) -> None:
        self._logger.info(
            "The workflow answers again; its gate is open.",
            workflow=line.policy.name,
            closed_since=format_time(round((self._clock.wall() - closed_s) * 1000)),
            closed_for_s=round(closed_s, 1),
            limit_key="",
        )

    def _tell_closed(self, line: Line, answer: Answer, was_open: bool, now: float) -> None:
        if line.pace.gate.is_open or not was_open:
            return
        self._logger.warning(
            "The workflow is failing: its gate is closed and only probes are sent.",
            workflow=line.policy.name,
            host=line.policy.shown_host,
            answer=answer.code,
            **({"reason": answer.excerpt} if answer.failure else {}),  # in our words; a body is never quoted
            next_probe_in_s=round(line.pace.gate.closed_until - now, 1),
        )

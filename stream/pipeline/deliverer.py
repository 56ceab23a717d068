"""From a wanted event to the end of its delivery: attempts, retries, rejections."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from stream.core.dispatch import Dispatcher
from stream.core.model import Answer, DeadLetter, Event, HttpRequest, Reason, Settlement
from stream.core.outcome import OutcomeTable, Verdict, retry_after_s
from stream.core.ports import Scheduler, Sender, Trace
from stream.core.retry import RetryPolicy
from stream.core.stats import WorkflowStats
from stream.core.tenure import Delivery, OpenEvent, Phase, Tenure
from stream.pipeline.ledger import Ledger
from stream.pipeline.letters import LetterDesk


@dataclass(slots=True)
class Line:
    """Everything that belongs to one workflow of one engine."""

    name: str
    dispatcher: Dispatcher
    lane_of: Callable[[Event], Hashable | None]
    build: Callable[[Event], HttpRequest]
    sender: Sender
    stats: WorkflowStats

    def refresh_gauges(self) -> None:
        """Show the dispatcher's counts to the metrics."""
        self.stats.in_flight = self.dispatcher.in_flight
        self.stats.waiting = self.dispatcher.waiting


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
        ledger: Ledger,
        letters: LetterDesk,
        clock: Scheduler,
        rng: Random,
        trace: Trace | None,
    ) -> None:
        self.lines = lines
        self.on_idle: Callable[[Tenure], None] = lambda _tenure: None
        self._rules = rules
        self._ledger = ledger
        self._letters = letters
        self._clock = clock
        self._rng = rng
        self._trace = trace

    def offer(self, event: Event, tenure: Tenure, wanting: Sequence[int]) -> None:
        """An admitted event that the workflows `wanting` (indexes) are to get; `pump` starts it."""
        open_event = OpenEvent(event, tenure, len(wanting))
        now = self._clock.monotonic()
        for workflow in wanting:
            line = self.lines[workflow]
            line.dispatcher.offer(Delivery(open_event, workflow, line.lane_of(event), now))

    def pump(self, line: Line) -> None:
        """Start every delivery of this workflow that may start now."""
        take = line.dispatcher.take
        while (delivery := take()) is not None:
            self._start(line, delivery)
        line.refresh_gauges()

    def pump_all(self) -> None:
        """Start every delivery that may start now."""
        for line in self.lines:
            self.pump(line)

    def forget(self, tenure: Tenure) -> None:
        """Start nothing of this tenure any more."""
        for workflow, line in enumerate(self.lines):
            line.dispatcher.forget(tenure, workflow)
            line.refresh_gauges()

    def abort(self, tenure: Tenure) -> None:
        """Give up the attempts in flight; their connections are closed and no answer of them counts."""
        for delivery in tenure.in_flight:
            line = self.lines[delivery.workflow]
            if delivery.request is not None:
                delivery.request.cancel()
            line.dispatcher.land()
            line.stats.deliveries["stale"] += 1
        tenure.in_flight.clear()
        self.pump_all()

    def _start(self, line: Line, delivery: Delivery) -> None:
        open_event = delivery.open_event
        delivery.attempts += 1
        if delivery.clock_start < 0:
            delivery.clock_start = self._clock.monotonic()
        open_event.tenure.in_flight.add(delivery)
        delivery.request = line.sender.send(line.build(open_event.event), partial(self._on_answer, delivery))

    def _on_answer(self, delivery: Delivery, answer: Answer) -> None:
        line, tenure = self.lines[delivery.workflow], delivery.open_event.tenure
        tenure.in_flight.discard(delivery)
        delivery.request = None
        delivery.last_code = answer.code
        line.stats.attempts[answer.code] += 1
        line.stats.attempt_duration.observe(answer.elapsed_s)
        verdict = self._rules.outcomes.verdict(answer)
        if verdict is Verdict.DELIVERED:
            self._delivered(line, delivery, answer)
        elif verdict is Verdict.REJECTED:
            self._to_dead_letters(line, delivery, Reason.REJECTED, answer)
        else:
            self._failed(line, delivery, answer)
        self.pump(line)
        if tenure.phase is Phase.DRAINING and tenure.is_idle:
            self.on_idle(tenure)

    def _delivered(self, line: Line, delivery: Delivery, answer: Answer) -> None:
        line.dispatcher.land()
        stats, record, wall = line.stats, delivery.open_event.event.record, self._clock.wall()
        stats.deliveries["delivered"] += 1
        stats.last_delivery_at = wall
        if record.timestamp_ms >= 0:
            stats.age.observe(max(0.0, wall - record.timestamp_ms / 1000))
        if self._trace is not None:
            self._emit("delivered", line, delivery, attempts=delivery.attempts, status=answer.status)
        self._finish(line, delivery)

    def _failed(self, line: Line, delivery: Delivery, answer: Answer) -> None:
        retry, now = self._rules.retry, self._clock.monotonic()
        wait = retry.backoff_s(delivery.attempts, self._rng.random())
        due_at = now + max(wait, retry_after_s(answer.retry_after, self._clock.wall()))
        if retry.is_expired(delivery.clock_start, due_at):
            self._to_dead_letters(line, delivery, Reason.EXPIRED, answer)
        elif delivery.open_event.tenure.phase is Phase.ACTIVE:
            line.dispatcher.back_off(delivery)
            self._clock.call_at(due_at, partial(self._resume, line, delivery))
        else:
            line.dispatcher.land()

    def _resume(self, line: Line, delivery: Delivery) -> None:
        if delivery.open_event.tenure.phase is Phase.ACTIVE:
            line.dispatcher.resume(delivery)
            self.pump(line)

    def _to_dead_letters(self, line: Line, delivery: Delivery, reason: Reason, answer: Answer) -> None:
        line.dispatcher.land()
        line.stats.deliveries[reason] += 1
        open_event = delivery.open_event
        letter = DeadLetter(
            record=open_event.event.record,
            reason=reason,
            detail=answer.excerpt,
            workflow=line.name,
            status=answer.code,
            attempts=delivery.attempts,
        )
        self._letters.write(letter, open_event.tenure, partial(self._dead_lettered, line, delivery, reason))

    def _dead_lettered(self, line: Line, delivery: Delivery, reason: Reason) -> None:
        line.stats.dead_letters[reason] += 1
        delivery.open_event.dead_lettered = True
        if self._trace is not None:
            self._emit("dead_lettered", line, delivery, reason=reason)
        self._finish(line, delivery)
        self.pump(line)

    def _finish(self, line: Line, delivery: Delivery) -> None:
        open_event = delivery.open_event
        tenure = open_event.tenure
        if tenure.phase is Phase.ACTIVE:
            line.dispatcher.release(delivery)
        open_event.pending -= 1
        if not open_event.pending:
            end = Settlement.DEAD_LETTERED if open_event.dead_lettered else Settlement.DELIVERED
            self._ledger.settle(tenure, open_event.event.record, end)

    def _emit(self, word: str, line: Line, delivery: Delivery, **fields: object) -> None:
        record = delivery.open_event.event.record
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        if self._trace is not None:
            self._trace.emit(word, **where, workflow=line.name, **fields)

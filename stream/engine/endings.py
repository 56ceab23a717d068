"""How a delivery ends: well, in the dead letters, given up; or held, because it ends badly and may not be given up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from stream.engine.dead_letters import LetterDesk
from stream.engine.ledger import Ledger
from stream.engine.partition import Delivery, Phase, Tenure
from stream.engine.workflow import Line
from stream.model.attempts import Answer
from stream.model.events import DeadLetter, FilterReason, Reason, Settlement
from stream.model.held import Hold
from stream.model.policies import DeadLetterPolicy
from stream.model.ports import Logger, Scheduler
from stream.model.records import Record
from stream.rules.listener import DeliveryListener
from stream.rules.quoted import without_quotes


class Endings:
    """Ends deliveries, and settles an event with its last one. `pump` starts what may start on a line."""

    def __init__(
        self,
        policy: DeadLetterPolicy,
        held_retry_s: float,
        ledger: Ledger,
        letters: LetterDesk,
        clock: Scheduler,
        rng: Random,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
    ) -> None:
        self.pump: Callable[[Line], None] = lambda _line: None
        self._policy = policy
        self._held_retry_s = held_retry_s
        self._ledger = ledger
        self._letters = letters
        self._clock = clock
        self._rng = rng
        self._logger = logger
        self._listeners = listeners

    def finish(self, line: Line, deliveries: Sequence[Delivery]) -> None:
        """The workflow is done with these events: lanes go on, and with its last workflow an offset settles."""
        line.dispatcher.release(deliveries)
        self._close(line, deliveries)

    def drop(self, line: Line, deliveries: Sequence[Delivery]) -> None:
        """The settings changed and the workflow does not want these any more; their lanes are the caller's business."""
        for delivery in deliveries:
            reason, record = delivery.unwanted or FilterReason.REMOVED, delivery.open_event.event.record
            for listener in self._listeners:
                listener.on_filtered(record, line.policy.name, reason)
            if reason is FilterReason.REMOVED:
                self._ledger.count_removed()
            else:
                line.stats.filtered[reason] += 1
        self._close(line, deliveries)

    def reconfigure(self, policy: DeadLetterPolicy, held_retry_s: float) -> None:
        """Other rules from now on."""
        self._policy, self._held_retry_s = policy, held_retry_s

    def _close(self, line: Line, deliveries: Sequence[Delivery]) -> None:
        done: dict[tuple[Tenure, Settlement], list[Record]] = defaultdict(list)
        for delivery in deliveries:
            open_event = delivery.open_event
            record = open_event.event.record
            del delivery.share.pending[record.offset]
            if delivery.is_held:
                line.held.pop(delivery, None)
            open_event.pending -= 1
            if not open_event.pending:
                done[open_event.tenure, open_event.settlement].append(record)
        for (tenure, settlement), records in done.items():
            self._ledger.settle(tenure, records, settlement)

    def end_badly(self, line: Line, delivery: Delivery, reason: Reason, answer: Answer, now: float) -> None:
        """Its last attempt came back rejected, or its time is over."""
        if line.policy.on_failure == "hold" or not self._policy.enabled:
            self._hold(line, delivery, reason, answer)
            self.back_off(line, delivery, now + self._held_retry_s)
        elif line.letters_in_a_row >= self._policy.max_consecutive:
            self._trip_flood_guard(line, delivery, reason, answer, now)
        else:
            line.letters_in_a_row += 1
            line.dispatcher.land()
            line.stats.deliveries[reason] += 1
            self._write_letter(line, delivery, reason, _detail(line, delivery, answer), answer.code)

    def give_up(self, line: Line, delivery: Delivery) -> None:
        """The settings name the event: it ends without an attempt, and holds no lane."""
        delivery.lane = None
        self._end_given_up(line, delivery)

    def _end_given_up(self, line: Line, delivery: Delivery) -> None:
        if self._policy.enabled:
            self._write_letter(line, delivery, Reason.GIVEN_UP, "The settings name it in give_up.", "")
            return
        line.stats.filtered[FilterReason.GIVEN_UP] += 1
        record = delivery.open_event.event.record
        for listener in self._listeners:
            listener.on_filtered(record, line.policy.name, FilterReason.GIVEN_UP)
        self.finish(line, [delivery])

    def gave_up(self, line: Line, delivery: Delivery) -> bool:
        """A delivery was taken to be tried: whether the settings name it, and it ended instead."""
        if delivery.open_event.event.record.place not in line.policy.give_up:
            return False
        if delivery.is_probe:
            delivery.is_probe = False
            line.pace.gate.probe_over()
        line.dispatcher.land()
        self._end_given_up(line, delivery)
        return True

    def back_off(self, line: Line, delivery: Delivery, due_at: float) -> None:
        """It keeps its lane and is tried again at `due_at` (monotonic seconds), unless its partition goes."""
        if delivery.open_event.tenure.phase is Phase.ACTIVE:
            line.dispatcher.back_off(delivery)
            self._clock.call_at(due_at, partial(self._resume, line, delivery))
        else:
            line.dispatcher.land()

    def requeue_probed(self, line: Line, delivery: Delivery) -> None:
        """It is probed again when every other lane was, unless its partition goes."""
        if delivery.open_event.tenure.phase is Phase.ACTIVE:
            line.dispatcher.back_off(delivery)
            line.dispatcher.requeue_probed(delivery)
        else:
            line.dispatcher.land()

    def end_flood_hold(self, line: Line) -> None:
        """A delivery succeeded: what the flood guard kept back is tried like any other event."""
        if line.policy.on_failure != "hold" and self._policy.enabled:
            self.end_hold(line)

    @staticmethod
    def end_hold(line: Line) -> None:
        """What is held is tried like any other event, and may be given up."""
        for delivery in line.held:
            delivery.is_held = False
        line.held.clear()

    def _resume(self, line: Line, delivery: Delivery) -> None:
        is_due = delivery.open_event.tenure.phase is Phase.ACTIVE
        if not is_due or delivery.is_over or delivery.is_ending:  # it may have ended when the settings changed
            return
        if line.pace.gate.is_open:
            line.dispatcher.resume(delivery)
        else:
            line.dispatcher.requeue_probed(delivery)
        self.pump(line)

    def _trip_flood_guard(self, line: Line, delivery: Delivery, reason: Reason, answer: Answer, now: float) -> None:
        """What comes next would be a dead letter, too: it waits, and probes find out when that has changed."""
        if not line.pace.gate.is_held:
            self._logger.error(
                "The workflow is held: dead letters in a row without a delivery. Probes find out when it takes events.",
                workflow=line.policy.name,
                dead_letters=line.letters_in_a_row,
            )
        line.pace.gate.hold(now, self._rng.random())
        self._hold(line, delivery, reason, answer)
        self.requeue_probed(line, delivery)

    def _hold(self, line: Line, delivery: Delivery, reason: Reason, answer: Answer) -> None:
        delivery.is_held = True
        if delivery in line.held:
            return
        line.held[delivery] = Hold(self._clock.wall(), reason, answer.code)
        record = delivery.open_event.event.record
        self._logger.error(
            "An event is held: it ends badly and is not given up. To give it up, name it in the workflow's give_up.",
            workflow=line.policy.name,
            reason=reason,
            status=answer.code,
            give_up=str(record.place),
        )

    def remind(self, line: Line) -> None:
        """Say again what is held, as long as anything is: how much, and which to give up first."""
        if line.held:
            self._logger.error(
                "Events are held: they end badly and are not given up. To give one up, name it in the workflow's "
                "give_up.",
                workflow=line.policy.name,
                held=len(line.held),
                give_up=str(min(delivery.open_event.event.record.place for delivery in line.held)),
            )

    def _write_letter(self, line: Line, delivery: Delivery, reason: Reason, detail: str, status: str) -> None:
        open_event = delivery.open_event
        delivery.is_ending = True
        letter = DeadLetter(open_event.event.record, reason, detail, line.policy.name, status, delivery.attempts)
        letter.topic_id = open_event.tenure.topic_id
        self._letters.write(letter, open_event.tenure, partial(self._dead_lettered, line, delivery, letter))

    def _dead_lettered(self, line: Line, delivery: Delivery, letter: DeadLetter) -> None:
        reason, status = letter.reason, letter.status
        line.stats.dead_letters[reason] += 1
        delivery.open_event.settlement = Settlement.DEAD_LETTERED
        record, name = delivery.open_event.event.record, line.policy.name
        for listener in self._listeners:
            listener.on_dead_lettered(record, name, reason, letter.topic_id)
        self._logger.warning(
            "An event became a dead letter.", workflow=name, reason=reason, status=status, place=str(record.place)
        )
        self.finish(line, [delivery])
        self.pump(line)


def _detail(line: Line, delivery: Delivery, answer: Answer) -> str:
    """What the workflow said to it, without what it quotes."""
    secrets = [*(value for _, value in line.policy.headers), *line.policy.secrets]
    return without_quotes(answer.excerpt, delivery.open_event.event.body, secrets)

"""From polled records to offered deliveries: admit, decode, filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from stream.engine.dead_letters import LetterDesk
from stream.engine.deliverer import Deliverer
from stream.engine.ledger import Ledger
from stream.engine.partition import Phase, Tenure
from stream.engine.routing import Routed, Routing
from stream.model.events import CUSTOM_TYPE, NO_PAYLOAD, DeadLetter, Event, FilterReason, Invalid, Reason, Settlement
from stream.model.policies import EnginePolicy
from stream.model.ports import Clock, Logger, Validator
from stream.model.records import Record
from stream.model.statistics import EngineStats
from stream.rules.decode import Decoder
from stream.rules.listener import DeliveryListener


class Intake:
    """Takes each record of an owned partition on the books and sends it the way it has to go."""

    def __init__(
        self,
        policy: EnginePolicy,
        validator: Validator,
        ledger: Ledger,
        deliverer: Deliverer,
        letters: LetterDesk,
        stats: EngineStats,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._validator = validator
        self._decoder = Decoder(policy.validation, validator)
        self._routing = Routing(policy, ledger, deliverer, stats, listeners)
        self._ledger = ledger
        self._deliverer = deliverer
        self._letters = letters
        self._stats = stats
        self._logger = logger
        self._listeners = listeners
        self._clock = clock

    def take(self, tenure: Tenure, records: Sequence[Record]) -> None:
        """Admit and route these records, then start what may start.

        Records after one that holds its partition are kept back: nothing is committed past them.
        """
        if tenure.is_held:
            tenure.behind += records
        else:
            self._take_in(tenure, self._new(tenure, records))

    def _take_in(self, tenure: Tenure, records: Sequence[Record]) -> None:
        routed: list[Routed] = []
        decode, route_of = self._decoder.decode, self._routing.route_of
        for number, record in enumerate(records, 1):
            decoded = decode(record)
            if isinstance(decoded, Event):
                routed.append((decoded, route_of(decoded)))
                decoded.payload = NO_PAYLOAD
                continue
            self._routing.take(tenure, routed)
            routed = []
            self._take_other(tenure, record, decoded)
            if tenure.is_held:
                tenure.behind += records[number:]
                break
        self._routing.take(tenure, routed)
        self._warn_of_appearances()
        self._deliverer.pump_all()
        self._ledger.room.after_intake(tenure)

    @property
    def decode(self) -> Callable[[Record], Event | Invalid | None]:
        """By the rules in force."""
        return self._decoder.decode

    def _warn_of_appearances(self) -> None:
        for topic, looks in self._decoder.new_appearances().items():
            sentence = "Records of this topic are no plain Segment events."
            self._logger.warning(sentence, topic=topic, looks=looks, limit_key=topic)

    def pass_to(self, tenure: Tenure, position: int) -> None:
        """Nothing will arrive any more from below `position` but what is kept back."""
        if tenure.is_held:
            tenure.behind_end = position
        else:
            tenure.tracker.pass_to(position)

    def go_on(self, tenure: Tenure) -> None:
        """Its record holds the partition no more: take what was kept back behind it."""
        behind, tenure.behind = tenure.behind, []
        if behind:
            self.take(tenure, behind)
        if not tenure.is_held:
            tenure.tracker.pass_to(tenure.behind_end)

    @staticmethod
    def _new(tenure: Tenure, records: Sequence[Record]) -> Sequence[Record]:
        """Those that were not admitted before in this tenure."""
        first = tenure.tracker.next_expected
        return records if records[0].offset >= first else [record for record in records if record.offset >= first]

    # Records that are no events.

    def _take_other(self, tenure: Tenure, record: Record, decoded: Invalid | None) -> None:
        self._ledger.admit(tenure, [record])
        label = CUSTOM_TYPE if decoded is None else decoded.type_label
        self._stats.received[record.topic, label] += 1
        if decoded is not None:
            self._route_invalid(tenure, record, decoded)
            return
        self._stats.tombstones += 1
        for listener in self._listeners:
            listener.on_filtered(record, None, FilterReason.TOMBSTONE)
        self._ledger.settle(tenure, [record], Settlement.FILTERED)

    def reconfigure(self, policy: EnginePolicy, indexes: Sequence[int]) -> list[Tenure]:
        """Other rules from the next record on; the partitions that are not held any more because of them.

        `indexes` of the policy's workflows, in its order.
        """
        old, self._policy = self._policy, policy
        self._decoder = Decoder(policy.validation, self._validator)
        self._routing.reconfigure(policy, indexes)
        are_others = (old.validation, old.dead_letters) != (policy.validation, policy.dead_letters)
        held = [tenure for tenure in self._ledger.tenures.values() if tenure.is_held and tenure.phase is Phase.ACTIVE]
        return [tenure for tenure in held if self._free(tenure, are_others)]

    def _free(self, tenure: Tenure, are_others: bool) -> bool:
        """End the hold of a partition when its record is named, or judge the record anew by other rules."""
        record = tenure.held_record
        if record is None or not (are_others or record.place in self._policy.give_up):
            return False
        tenure.held_record, tenure.invalid_in_a_row = None, 0
        tenure.unrouted.discard(record.offset)
        decoded = self.decode(record)
        if isinstance(decoded, Event):
            self._routing.take_admitted(tenure, decoded)
        else:
            self._route_invalid(tenure, record, decoded or tenure.held_because or Invalid(Reason.INVALID_EVENT, ""))
        return not tenure.is_held

    def _route_invalid(self, tenure: Tenure, record: Record, invalid: Invalid) -> None:
        if self._routing.is_done_before(tenure, record.offset):
            self._ledger.settle(tenure, [record], Settlement.AVOIDED)
            return
        tenure.unrouted.add(record.offset)
        if record.place in self._policy.give_up:
            self._give_up(tenure, record, invalid)
        elif self._may_bury(tenure):
            tenure.invalid_in_a_row += 1
            self._bury(tenure, record, invalid.reason, invalid.detail)
        else:
            self._hold(tenure, record, invalid)

    def _may_bury(self, tenure: Tenure) -> bool:
        policy = self._policy.dead_letters
        return policy.enabled and tenure.invalid_in_a_row < policy.max_consecutive

    def _give_up(self, tenure: Tenure, record: Record, invalid: Invalid) -> None:
        if self._policy.dead_letters.enabled:
            self._bury(tenure, record, Reason.GIVEN_UP, invalid.detail)
            return
        self._stats.given_up += 1
        tenure.unrouted.discard(record.offset)
        for listener in self._listeners:
            listener.on_filtered(record, None, FilterReason.GIVEN_UP)
        self._ledger.settle(tenure, [record], Settlement.FILTERED)

    def _hold(self, tenure: Tenure, record: Record, invalid: Invalid) -> None:
        """Nothing after this record is taken until the settings change: it is the wrong topic, or the wrong rules."""
        tenure.held_record, tenure.held_because, tenure.held_since = record, invalid, self._clock.wall()
        self._ledger.room.tell_source()
        self.tell_held(tenure)

    def tell_held(self, tenure: Tenure) -> None:
        """The error line of a partition that is held; repeated by the engine."""
        self._logger.error(
            "This partition is held: its records are no valid events. Mend kafka.topics or [validation], or give the "
            "record up in validation.give_up.",
            topic=tenure.tp.topic,
            partition=tenure.tp.partition,
            fault=tenure.held_because.detail if tenure.held_because else "",
            give_up=str(tenure.held_record.place) if tenure.held_record else "",
        )

    def _bury(self, tenure: Tenure, record: Record, reason: Reason, detail: str) -> None:
        letter = DeadLetter(record, reason, detail, self._letter_workflow(), "", 0, tenure.topic_id)
        self._letters.write(letter, tenure, partial(self._buried, tenure, letter))

    def _letter_workflow(self) -> str | None:
        """An invalid event has one letter: without a workflow when they share a group, else the group's own."""
        return self._policy.workflows[0].name if self._policy.is_isolated else None

    def _buried(self, tenure: Tenure, letter: DeadLetter) -> None:
        record, reason = letter.record, letter.reason
        self._stats.invalid[reason] += 1
        self._logger.warning(
            "An invalid record became a dead letter.",
            topic=record.topic,
            reason=reason,
            fault=letter.detail,
            place=str(record.place),
        )
        tenure.unrouted.discard(record.offset)
        for listener in self._listeners:
            listener.on_dead_lettered(record, None, reason, letter.topic_id)
        self._ledger.settle(tenure, [record], Settlement.DEAD_LETTERED)

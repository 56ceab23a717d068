"""From polled records to offered deliveries: admit, decode, filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from stream.engine.backpressure import Backpressure
from stream.engine.dead_letters import DeadLetterWriter
from stream.engine.ledger import Ledger
from stream.engine.partition import PartitionHold, PartitionState
from stream.engine.routing import Routed, Routing
from stream.engine.schema_waits import SchemaWaits
from stream.engine.steps import Steps
from stream.model.events import (
    CUSTOM_TYPE,
    NO_PAYLOAD,
    DeadLetter,
    Event,
    FilterReason,
    Invalid,
    Reason,
    Settlement,
    UnknownSchema,
)
from stream.model.policies import EnginePolicy
from stream.model.ports import Logger, Schemas, Validator
from stream.model.records import Record
from stream.model.statistics import EngineStats
from stream.rules.decode import Decoded, Decoder
from stream.rules.listener import DeliveryListener


class Intake:
    """Takes each record of an owned partition on the books and sends it the way it has to go."""

    def __init__(
        self,
        policy: EnginePolicy,
        validator: Validator,
        ledger: Ledger,
        routing: Routing,
        letters: DeadLetterWriter,
        backpressure: Backpressure,
        stats: EngineStats,
        logger: Logger,
        listeners: Sequence[DeliveryListener],
        steps: Steps,
        schemas: Schemas | None = None,
    ) -> None:
        self._policy = policy
        self._validator = validator
        self._schemas = schemas
        self._schema_waits = SchemaWaits(schemas, self._read_on, stats, steps, logger)
        self._are_others = False
        """The last change of the rules is one of those that judge records."""
        self._decoder = Decoder(policy.validation, validator, policy.unwrap, schemas)
        self._routing = routing
        self._ledger = ledger
        self._letters = letters
        self._backpressure = backpressure
        self._stats = stats
        self._logger = logger
        self._listeners = listeners
        self._clock = steps

    def take(self, partition: PartitionState, records: Sequence[Record]) -> None:
        """Admit and route these records.

        Records after one that holds its partition are kept back: nothing is committed past them.
        """
        if (kept := partition.held_by or partition.schema_wait) is not None:
            kept.kept_back += records
        else:
            self._take_in(partition, self._new(partition, records))

    def _take_in(self, partition: PartitionState, records: Sequence[Record]) -> None:
        routed: list[Routed] = []
        decode, route_of = self._decoder.decode, self._routing.route_of
        for number, record in enumerate(records, 1):
            decoded = decode(record)
            if isinstance(decoded, Event):
                routed.append((decoded, route_of(decoded)))
                decoded.payload = NO_PAYLOAD
                continue
            self._routing.take(partition, routed)
            routed = []
            if isinstance(decoded, UnknownSchema):
                self._await_schema(partition, decoded, records[number - 1 :])
                break
            self._take_other(partition, record, decoded)
            if partition.held_by is not None:
                partition.held_by.kept_back += records[number:]
                break
        self._routing.take(partition, routed)
        self._backpressure.note_intake()
        self._warn_of_appearances()

    @property
    def decode(self) -> Callable[[Record], Decoded]:
        """By the rules in force."""
        return self._decoder.decode

    def _await_schema(self, partition: PartitionState, unknown: UnknownSchema, records: Sequence[Record]) -> None:
        partition.await_schema(records)
        self._schema_waits.wait(unknown.schema_id, partition)
        self._backpressure.change_partitions()

    def _read_on(self, partition: PartitionState) -> None:
        """The schema is known, or known not to be."""
        if (wait := partition.end_schema_wait()) is not None:
            self._backpressure.change_partitions()
            self.take(partition, wait.kept_back)
            partition.pass_to(wait.end)

    def _warn_of_appearances(self) -> None:
        for topic, looks in self._decoder.new_appearances().items():
            sentence = "Records of this topic are no plain Segment events."
            self._logger.warning(sentence, topic=topic, looks=looks, limit_key=topic)

    @staticmethod
    def _new(partition: PartitionState, records: Sequence[Record]) -> Sequence[Record]:
        """Those that were not admitted before in this partition."""
        first = partition.tracker.next_expected
        return records if records[0].offset >= first else [record for record in records if record.offset >= first]

    # Records that are not events.

    def _take_other(self, partition: PartitionState, record: Record, decoded: Invalid | None) -> None:
        self._ledger.admit(partition, [record])
        label = CUSTOM_TYPE if decoded is None else decoded.type_label
        self._stats.received[record.topic, label] += 1
        if decoded is not None:
            self._route_invalid(partition, record, decoded)
            return
        self._stats.tombstones += 1
        for listener in self._listeners:
            listener.on_filtered(record, None, FilterReason.TOMBSTONE)
        self._ledger.settle(partition, [record], Settlement.FILTERED)

    def reconfigure(self, policy: EnginePolicy, indexes: Sequence[int]) -> None:
        """Other rules from the next record on. Partitions that they release are read on.

        `indexes` of the policy's workflows, in its order.
        """
        old, self._policy = self._policy, policy
        self._decoder = Decoder(policy.validation, self._validator, policy.unwrap, self._schemas)
        self._routing.reconfigure(policy, indexes)
        self._are_others = (old.validation, old.dead_letters) != (policy.validation, policy.dead_letters)

    def release_held(self) -> None:
        """Read on in the partitions that the last change of the rules releases."""
        for partition in list(self._ledger.partitions.values()):
            if partition.is_active and (hold := partition.held_by) is not None and self._is_released(hold):
                self._release(partition)

    def _is_released(self, hold: PartitionHold) -> bool:
        """Whether its record is named, or to be judged anew by other rules."""
        return self._are_others or hold.record.place in self._policy.give_up

    def _release(self, partition: PartitionState) -> None:
        hold = partition.release()
        if hold is None:
            return
        partition.end_invalid(hold.record.offset)
        decoded = self._decoder.decode(hold.record)
        if isinstance(decoded, Event):
            self._routing.take_admitted(partition, decoded)
        else:
            invalid = decoded if isinstance(decoded, Invalid) else hold.because
            self._route_invalid(partition, hold.record, invalid)
        self._backpressure.change_partitions()
        if hold.kept_back:
            self.take(partition, hold.kept_back)
        partition.pass_to(hold.end)

    def _route_invalid(self, partition: PartitionState, record: Record, invalid: Invalid) -> None:
        if self._routing.is_done_before(partition, record.offset):
            self._ledger.settle(partition, [record], Settlement.AVOIDED)
            return
        partition.admit_invalid(record.offset)
        if record.place in self._policy.give_up:
            self._give_up(partition, record, invalid)
        elif self._may_dead_letter(partition):
            partition.invalid_in_a_row += 1
            self._dead_letter(partition, record, invalid.reason, invalid.detail)
        else:
            self._hold(partition, record, invalid)

    def _may_dead_letter(self, partition: PartitionState) -> bool:
        policy = self._policy.dead_letters
        return policy.enabled and partition.invalid_in_a_row < policy.max_consecutive

    def _give_up(self, partition: PartitionState, record: Record, invalid: Invalid) -> None:
        if self._policy.dead_letters.enabled:
            self._dead_letter(partition, record, Reason.GIVEN_UP, invalid.detail)
            return
        self._stats.given_up += 1
        partition.end_invalid(record.offset)
        for listener in self._listeners:
            listener.on_filtered(record, None, FilterReason.GIVEN_UP)
        self._ledger.settle(partition, [record], Settlement.FILTERED)

    def _hold(self, partition: PartitionState, record: Record, invalid: Invalid) -> None:
        """Nothing after this record is taken until the settings change: it is the wrong topic, or the wrong rules."""
        partition.hold(record, invalid, self._clock.wall())
        self._backpressure.change_partitions()
        self.log_held(partition)

    def log_held(self, partition: PartitionState) -> None:
        """The error line of a partition that is held; repeated by the engine."""
        if (hold := partition.held_by) is None:
            return
        self._logger.error(
            "This partition is held: its records are not valid events. Fix kafka.topics or [validation], or give the "
            "record up in validation.give_up.",
            topic=partition.tp.topic,
            partition=partition.tp.partition,
            fault=hold.because.detail,
            give_up=str(hold.record.place),
        )

    def _dead_letter(self, partition: PartitionState, record: Record, reason: Reason, detail: str) -> None:
        letter = DeadLetter(record, reason, detail, self._letter_workflow(), "", 0, partition.topic_id)
        self._letters.write(letter, partition, partial(self._dead_lettered, partition, letter))

    def _letter_workflow(self) -> str | None:
        """An invalid event has one letter: without a workflow when they share a group, else the group's own."""
        return self._policy.workflows[0].name if self._policy.is_isolated else None

    def _dead_lettered(self, partition: PartitionState, letter: DeadLetter) -> None:
        record, reason = letter.record, letter.reason
        self._stats.invalid[reason] += 1
        self._logger.warning(
            "An invalid record became a dead letter.",
            topic=record.topic,
            reason=reason,
            fault=letter.detail,
            place=str(record.place),
        )
        partition.end_invalid(record.offset)
        for listener in self._listeners:
            listener.on_dead_lettered(record, None, reason, letter.topic_id)
        self._ledger.settle(partition, [record], Settlement.DEAD_LETTERED)

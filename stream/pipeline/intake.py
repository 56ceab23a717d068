"""From polled records to offered deliveries: admit, decode, filter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stream.core.decode import Decoder
from stream.core.filter import EventFilter
from stream.core.model import CUSTOM_TYPE, DeadLetter, Event, FilterReason, Invalid, Record, RecordBatch, Settlement
from stream.core.ports import Trace
from stream.core.stats import EngineStats
from stream.core.tenure import Tenure
from stream.pipeline.deliverer import Deliverer
from stream.pipeline.ledger import Ledger
from stream.pipeline.letters import LetterDesk


class Intake:
    """Takes each record of an owned partition on the books and sends it the way it has to go."""

    def __init__(
        self,
        decoder: Decoder,
        event_filter: EventFilter,
        ledger: Ledger,
        deliverer: Deliverer,
        letters: LetterDesk,
        stats: EngineStats,
        trace: Trace | None,
    ) -> None:
        self._decode: Callable[[Record], Event | Invalid | None] = decoder.decode
        self._filter = event_filter
        self._ledger = ledger
        self._deliverer = deliverer
        self._letters = letters
        self._stats = stats
        self._trace = trace

    def take(self, tenure: Tenure, batch: RecordBatch) -> None:
        """Admit and route every record of the batch, then start what may start."""
        for record in batch.records:
            if self._ledger.admit(tenure, record):
                self._route(tenure, record)
        self._deliverer.pump_all()
        self._ledger.stop_intake_when_full()

    def _route(self, tenure: Tenure, record: Record) -> None:
        decoded = self._decode(record)
        if isinstance(decoded, Event):
            self._stats.received[record.topic, decoded.type_label] += 1
            self._route_event(tenure, decoded)
        elif isinstance(decoded, Invalid):
            self._stats.received[record.topic, decoded.type_label] += 1
            self._bury(tenure, record, decoded)
        else:
            self._stats.received[record.topic, CUSTOM_TYPE] += 1
            self._stats.tombstones += 1
            self._emit_filtered(record, None, FilterReason.TOMBSTONE)
            self._ledger.settle(tenure, record, Settlement.FILTERED)

    def _route_event(self, tenure: Tenure, event: Event) -> None:
        route = self._filter.route(event)
        event.payload = {}  # a parsed event takes several times its bytes, which is what the limits count
        record = event.record
        for workflow, reason in route.unwanted:
            line = self._deliverer.lines[workflow]
            line.stats.filtered[reason] += 1
            self._emit_filtered(record, line.name, reason)
        if route.wanted:
            self._deliverer.offer(event, tenure, route.wanted)
        else:
            self._ledger.settle(tenure, record, Settlement.FILTERED)

    def _bury(self, tenure: Tenure, record: Record, invalid: Invalid) -> None:
        letter = DeadLetter(record, invalid.reason, invalid.detail, workflow=None, status="", attempts=0)
        self._letters.write(letter, tenure, partial(self._buried, tenure, record, invalid))

    def _buried(self, tenure: Tenure, record: Record, invalid: Invalid) -> None:
        self._stats.invalid[invalid.reason] += 1
        if self._trace is not None:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            self._trace.emit("dead_lettered", **where, workflow=None, reason=invalid.reason)
        self._ledger.settle(tenure, record, Settlement.DEAD_LETTERED)

    def _emit_filtered(self, record: Record, workflow: str | None, reason: FilterReason) -> None:
        if self._trace is not None:
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            self._trace.emit("filtered", **where, workflow=workflow, reason=reason)

"""What of a range of records is to be sent to whom, and why the rest is not: counted, record by record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stream.model.commit_map import Range, covers
from stream.model.events import Event, FilterReason, Invalid, type_label
from stream.model.ports import OnDrained, SourceEvents
from stream.model.records import Record, RecordBatch, TopicPartition
from stream.model.source import CommitResult, DataLoss, StartedPartition
from stream.replay.event_query import EventQuery
from stream.rules.filter import EventFilter

ALREADY_DONE = "already_done"
"""Reason of an event that an earlier run of the same replay was done with."""


@dataclass
class ReplayCounts:
    """Counts of the records seen so far. Those of the workflows are keyed by their names."""

    workflows: Sequence[str]
    records: int = 0
    selected: Counter[str] = field(default_factory=Counter)
    """Events that were asked for, by message type."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Records that no workflow was asked about, by reason: no events, or not asked for."""
    wanted: dict[str, Counter[str]] = field(default_factory=dict)
    """Events to be sent, by workflow and message type."""
    unwanted: dict[str, Counter[str]] = field(default_factory=dict)
    """Events that are asked for and not to be sent, by workflow and reason."""

    def __post_init__(self) -> None:
        for name in self.workflows:
            self.wanted[name], self.unwanted[name] = Counter(), Counter()

    @property
    def deliveries(self) -> int:
        """Requests that the records seen so far come to."""
        return sum(types.total() for types in self.wanted.values())


class ReplayFilter:
    """Sifts records of a range in offset order per partition, and keeps the census.

    `done` has, per partition, what each workflow was done with in an earlier run, in the order of `workflows`.
    """

    def __init__(
        self,
        decode: Callable[[Record], Event | Invalid | None],
        selection: EventQuery,
        workflows: Sequence[str],
        filter_: EventFilter,
        done: Mapping[TopicPartition, Sequence[list[Range]]],
    ) -> None:
        self.census = ReplayCounts(workflows)
        self._decode = decode
        self._selection = selection
        self._workflows = workflows
        self._filter = filter_
        self._done = {tp: [list(own) for own in of_all] for tp, of_all in done.items()}

    def wants(self, record: Record) -> bool:
        """Whether the record is an event that is to be sent to some workflow; it is counted either way."""
        census = self.census
        census.records += 1
        decoded = self._decode(record)
        if not isinstance(decoded, Event):
            census.left_out[FilterReason.TOMBSTONE if decoded is None else decoded.reason] += 1
            return False
        reason = self._selection.reason(decoded)
        if reason is not None:
            census.left_out[reason] += 1
            return False
        census.selected[type_label(decoded.type)] += 1
        return self._is_wanted(decoded)

    def _is_wanted(self, event: Event) -> bool:
        census, names, route, label = self.census, self._workflows, self._filter.route(event), type_label(event.type)
        for workflow, reason in route.unwanted:
            census.unwanted[names[workflow]][reason] += 1
        done_by = self._done.get(TopicPartition(event.record.topic, event.record.partition), ())
        done = {index for index, ranges in enumerate(done_by) if covers(ranges, event.record.offset)}
        for workflow in route.wanted:
            if workflow in done:
                census.unwanted[names[workflow]][ALREADY_DONE] += 1
            else:
                census.wanted[names[workflow]][label] += 1
        return any(workflow not in done for workflow in route.wanted)


class SiftedEvents:
    """Fulfils `SourceEvents`, and hands on to `inner`. What the sieve keeps back is like a gap in the topic."""

    def __init__(self, sieve: ReplayFilter, inner: SourceEvents, starts: Mapping[TopicPartition, int]) -> None:
        self.positions = dict(starts)
        """Offset past the last record that was sifted, per partition."""
        self.halted: set[TopicPartition] = set()
        """Partitions that are not read on, since records of theirs were lost."""
        self._sieve = sieve
        self._inner = inner

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        self._inner.on_assigned(started)

    def on_records(self, batch: RecordBatch) -> None:
        last = batch.records[-1].offset
        wanted = [record for record in batch.records if self._sieve.wants(record)]
        if wanted:
            self._inner.on_records(RecordBatch(batch.tp, batch.epoch, wanted))
        if not wanted or wanted[-1].offset != last:
            self._inner.on_position(batch.tp, batch.epoch, last + 1)
        self.positions[batch.tp] = last + 1

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        self._inner.on_position(tp, epoch, position)
        self.positions[tp] = max(position, self.positions.get(tp, 0))

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        self._inner.on_revoked(tps, on_drained)

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        self._inner.on_lost(tps)

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        self._inner.on_committed(results)

    def on_data_loss(self, loss: DataLoss) -> None:
        self._inner.on_data_loss(loss)
        if loss.skipped:
            self.positions[loss.tp] = loss.resume
        else:
            self.halted.add(loss.tp)

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        self._inner.on_topic_ids(topic_ids)

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        return self._inner.has_open(tp, epoch)


class NobodyDelivers:
    """Fulfils `SourceEvents` where records are only to be counted."""

    def _ignore(self, *_positional: object, **_named: object) -> None:
        """Nothing follows."""

    on_assigned = on_records = on_position = on_lost = on_committed = on_data_loss = on_topic_ids = _ignore

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """There is nothing to wait for, and nothing to commit."""
        on_drained({})

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        """Nothing is ever open."""
        return False

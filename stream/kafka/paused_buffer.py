"""What was polled of partitions that the engine does not want for now, until it does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from stream.kafka.batches import Polled
from stream.model.records import Record, RecordBatch, TopicPartition, size_of

FULL_BYTES = 2 * 1024 * 1024
"""A partition of which as much lies here is to be paused. Not at once: pausing drops what was fetched of it, and once
nothing is fetched, it takes librdkafka up to a second to begin again."""
ALL_FULL_BYTES = 4 * FULL_BYTES
"""When as much lies here of all of them together, each is to be paused."""


@dataclass(slots=True)
class _Kept:
    epoch: int
    records: list[Record] = field(default_factory=list)
    size: int = 0
    end: int | None = None
    """The end of the partition, when it was reached behind these records."""


class PausedBuffer:
    """Keeps it in order, by partition. `epochs` is the owner's own table: what is kept of another epoch is dropped."""

    def __init__(self, epochs: Mapping[TopicPartition, int]) -> None:
        self._epochs = epochs
        self._kept: dict[TopicPartition, _Kept] = {}

    def sift(self, polled: Polled, unwanted: Collection[TopicPartition]) -> Polled:
        """Keep what is of these partitions; the rest."""
        if not unwanted:
            return polled
        for batch in polled.batches:
            if batch.tp in unwanted:
                kept = self._of(batch.tp, batch.epoch)
                kept.records += batch.records
                kept.size += size_of(batch.records)
        for tp, epoch, position in polled.ends:
            if tp in unwanted:
                self._of(tp, epoch).end = position
        batches = [batch for batch in polled.batches if batch.tp not in unwanted]
        return Polled(batches, [end for end in polled.ends if end[0] not in unwanted], polled.errors, polled.headless)

    def take(self, is_wanted: Callable[[TopicPartition], bool]) -> Polled:
        """What is kept of the partitions that are wanted, and is no longer kept."""
        taken = Polled()
        for tp in [tp for tp in self._kept if is_wanted(tp)]:
            kept = self._kept.pop(tp)
            if kept.epoch != self._epochs.get(tp):
                continue
            if kept.records:
                taken.batches.append(RecordBatch(tp, kept.epoch, kept.records))
            if kept.end is not None:
                taken.ends.append((tp, kept.epoch, kept.end))
        return taken

    @property
    def full(self) -> set[TopicPartition]:
        """Held partitions of which so much is kept that they are to be paused."""
        held = {tp: kept.size for tp, kept in self._kept.items() if kept.epoch == self._epochs.get(tp)}
        least = 0 if sum(held.values()) >= ALL_FULL_BYTES else FULL_BYTES
        return {tp for tp, size in held.items() if size >= least}

    def _of(self, tp: TopicPartition, epoch: int) -> _Kept:
        kept = self._kept.get(tp)
        if kept is None or kept.epoch != epoch:
            kept = self._kept[tp] = _Kept(epoch)
        return kept

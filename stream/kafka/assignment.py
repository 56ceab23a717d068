"""Which partitions the consumer holds, under which epoch, and whether they are paused."""

from __future__ import annotations

import contextlib
from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.batches import Polled
from stream.kafka.start_offsets import Grants, ResolvedStart
from stream.model.records import TopicPartition

ANYWHERE = 0
"""Where a parked partition stands. It must be an offset: asked for the end of a partition, librdkafka takes an answer
that comes after the partition was assigned anew for a reason to ask again, and then reads on from there."""
A_CALL = 500
"""Most partitions of one call. The client keeps the interpreter's lock in it: with 10,000 all threads would stand
still for seconds, the one that answers probes too."""


class Assignment:
    """The owner's own record; librdkafka tells neither the epoch nor what is paused."""

    def __init__(self) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        """The partitions that are read. One that was granted and is parked is not among them."""
        self.stopped: set[TopicPartition] = set()
        """Held, but not consumed: records were lost and `on_data_loss = "stop"`, or the topic was replaced."""
        self.topic_ids: dict[TopicPartition, str] = {}
        """Of the topics that the partitions are read as; empty: not known yet."""
        self.origins: dict[TopicPartition, str] = {}
        """The suffixes that the partitions' commits keep."""
        self.at_end: set[TopicPartition] = set()
        """Partitions that are read to their end, for now; what is paused may have more."""
        self.came_to_end: set[TopicPartition] = set()
        """Those of `at_end` that came to it since their ids were confirmed last; may name others as well."""
        self.positions: dict[TopicPartition, int] = {}
        """The offset that comes next of each partition: past what was polled, or where it was begun or moved to."""
        self.finished: set[TopicPartition] = set()
        """Held, and read as far as they are wanted; nothing more is fetched of them."""
        self.grants = 0
        """How often reading of a partition has begun."""
        self._last_epoch = 0
        self.is_paused = False
        self._parked: dict[TopicPartition, int] = {}
        """Granted and not read yet, with the epoch that each will be read in."""
        self.held: Mapping[TopicPartition, int] = ChainMap(self.epochs, self._parked)
        """All partitions that are ours, read or not: for these we may commit."""
        self.not_read: frozenset[TopicPartition] = frozenset()
        """Partitions that are paused, whatever `pause` and `resume` say of all."""

    def park(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> Grants:
        """Take a grant without reading, since the starts are not known yet; the epochs that begin with it."""
        _in_parts(consumer.incremental_assign, [KafkaPartition(*tp, ANYWHERE) for tp in tps])
        granted = {tp: self._next_epoch() for tp in tps}
        self._parked |= granted
        _set_paused(consumer, tps, True)
        return granted

    def grant(self, consumer: Consumer, starts: Sequence[ResolvedStart]) -> None:
        """Read each of these partitions from its start, none of them paused.

        A parked one in the epoch that began when it was parked, any other in a new one.
        """
        parked = dict(self._parked)
        self._read_unpaused(consumer, {start.tp: start.offset for start in starts})
        for start in starts:
            self.epochs[start.tp] = parked.get(start.tp) or self._next_epoch()
            self.grants += 1
            self.topic_ids[start.tp] = start.topic_id
            if start.origin:
                self.origins[start.tp] = start.origin
            self.stopped.discard(start.tp)
        if self.is_paused and starts:
            self.resume(consumer)

    def set_not_read(self, consumer: Consumer, tps: Iterable[TopicPartition]) -> None:
        """Exactly these partitions are not to be read, whatever `pause` and `resume` say of all."""
        earlier, self.not_read = self.not_read, frozenset(tps) & self.epochs.keys()
        if not self.is_paused:
            _set_paused(consumer, list(earlier - self.not_read - self.stopped), False)
        self.at_end -= self.not_read
        _set_paused(consumer, list(self.not_read - earlier), True)

    def move(self, consumer: Consumer, positions: dict[TopicPartition, int]) -> None:
        """Read from these offsets. A seek would do for none: it is refused once a partition has come to a halt."""
        self._take_away(consumer, positions)
        self._read_from(consumer, positions)

    def read_anew(self, consumer: Consumer, tps: Collection[TopicPartition]) -> None:
        """Have these partitions fetched from where they are, in the same epoch, and none of them paused."""
        self._read_unpaused(consumer, {tp: self.positions[tp] for tp in tps})

    def finish(self, consumer: Consumer, tps: Collection[TopicPartition]) -> None:
        """Fetch nothing more of these; they stay on the books, since their last commits are still to come."""
        self._take_away(consumer, tps)
        self.finished |= set(tps)

    def _read_unpaused(self, consumer: Consumer, positions: Mapping[TopicPartition, int]) -> None:
        self._take_away(consumer, positions)
        # The pause flag outlives a revoke in librdkafka; here it is always set. Before the client starts the partition:
        # a call that its own start overtakes is dropped, and the partition would stay paused for good.
        _set_paused(consumer, list(positions), False)
        self._read_from(consumer, positions)

    def _take_away(self, consumer: Consumer, tps: Iterable[TopicPartition]) -> None:
        """Have nothing fetched of these that are held."""
        held = [tp for tp in tps if tp in self.epochs or tp in self._parked]
        for tp in held:
            self._parked.pop(tp, None)
        if held:
            _in_parts(consumer.incremental_unassign, [KafkaPartition(*tp) for tp in held])
            consumer.memberid()  # an answer of the client's main thread, which has stopped them by then

    def _read_from(self, consumer: Consumer, positions: Mapping[TopicPartition, int]) -> None:
        self.at_end -= positions.keys()
        self.positions |= positions
        _in_parts(consumer.incremental_assign, [KafkaPartition(*tp, offset) for tp, offset in positions.items()])

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """Forget these partitions: they were revoked or lost."""
        for tp in tps:
            self.epochs.pop(tp, None)
            self.stopped.discard(tp)
            self._parked.pop(tp, None)
            self.topic_ids.pop(tp, None)
            self.origins.pop(tp, None)
            self.at_end.discard(tp)
            self.positions.pop(tp, None)
            self.finished.discard(tp)

    def _next_epoch(self) -> int:
        self._last_epoch += 1
        return self._last_epoch

    def stop(self, consumer: Consumer, tp: TopicPartition) -> None:
        """Stop reading it in this epoch."""
        self.stopped.add(tp)
        _set_paused(consumer, [tp], True)

    def on_polled(self, consumer: Consumer, polled: Polled) -> None:
        """Note how far the partitions are read by it, and which it brings to their end, or beyond it.

        What brought records although it is paused is paused again: the client drops a call that overlaps its own.
        """
        passed = {batch.tp: batch.records[-1].offset + 1 for batch in polled.batches if batch.records}
        self.at_end -= passed.keys()
        ended = {tp: position for tp, _, position in polled.ends if position >= passed.get(tp, 0)}
        self.positions |= passed | ended
        self.at_end |= ended.keys()
        self.came_to_end |= ended.keys()
        _set_paused(consumer, [tp for tp in passed if self.is_paused or tp in self.not_read], True)

    def pause(self, consumer: Consumer) -> None:
        """Take nothing from any partition until `resume`."""
        self.is_paused = True
        self.at_end.clear()
        _set_paused(consumer, list(self.epochs), True)

    def resume(self, consumer: Consumer) -> None:
        """Take records again."""
        self.is_paused = False
        _set_paused(consumer, list(self.epochs.keys() - self.not_read - self.stopped), False)


def _set_paused(consumer: Consumer, tps: Sequence[TopicPartition], paused: bool) -> None:
    def attempt(partitions: list[KafkaPartition]) -> None:
        # A partition that just went away is refused; its revoke is on the way and the others were set.
        with contextlib.suppress(KafkaException):
            (consumer.pause if paused else consumer.resume)(partitions)

    _in_parts(attempt, [KafkaPartition(*tp) for tp in tps])


def _in_parts(call: Callable[[list[KafkaPartition]], object], partitions: Sequence[KafkaPartition]) -> None:
    for begin in range(0, len(partitions), A_CALL):
        call(list(partitions[begin : begin + A_CALL]))

"""Which partitions the consumer holds, under which epoch, and whether they are paused."""

from __future__ import annotations

import contextlib
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.model import TopicPartition
from stream.core.start_offsets import Grants, Start

ANYWHERE = 0
"""Where a parked partition stands. It must be an offset: asked for the end of a partition, librdkafka takes an answer
that comes after the partition was assigned anew for a reason to ask again, and then reads on from there."""


class Assignment:
    """The owner's own record; librdkafka tells neither the epoch nor what is paused."""

    def __init__(self) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        """The partitions that are read. One that was granted and is parked is not among them."""
        self.stopped: set[TopicPartition] = set()
        """Held, but not consumed: records were lost and `on_data_loss = "stop"`."""
        self.is_paused = False
        self._parked: dict[TopicPartition, int] = {}
        """Granted and not read yet, with the epoch that each will be read in."""
        self.held: Mapping[TopicPartition, int] = ChainMap(self.epochs, self._parked)
        """All partitions that are ours, read or not: for these we may commit."""
        self.not_read: frozenset[TopicPartition] = frozenset()
        """Partitions that are paused, whatever `pause` and `resume` say of all."""
        self._next_epoch = count(1)

    def park(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> Grants:
        """Take a grant without reading, since the starts are not known yet; the epochs that begin with it."""
        consumer.incremental_assign([KafkaPartition(*tp, ANYWHERE) for tp in tps])
        granted = {tp: next(self._next_epoch) for tp in tps}
        self._parked |= granted
        _set_paused(consumer, tps, True)
        return granted

    def grant(self, consumer: Consumer, starts: Sequence[Start]) -> None:
        """Read each of these partitions from its start, none of them paused.

        A parked one in the epoch that began when it was parked, any other in a new one.
        """
        parked = dict(self._parked)
        self.move(consumer, {start.tp: start.offset for start in starts})
        for start in starts:
            self.epochs[start.tp] = parked.get(start.tp) or next(self._next_epoch)
        # The pause flag outlives a revoke in librdkafka; the state of a fresh grant is always set.
        _set_paused(consumer, [start.tp for start in starts], False)
        if self.is_paused and starts:
            self.resume(consumer)

    def set_not_read(self, consumer: Consumer, tps: Iterable[TopicPartition]) -> None:
        """Exactly these partitions are not to be read, whatever `pause` and `resume` say of all."""
        earlier, self.not_read = self.not_read, frozenset(tps) & self.epochs.keys()
        if not self.is_paused:
            _set_paused(consumer, list(earlier - self.not_read), False)
        _set_paused(consumer, list(self.not_read - earlier), True)

    def move(self, consumer: Consumer, positions: dict[TopicPartition, int]) -> None:
        """Read from these offsets. A seek would do for none: it is refused once a partition has come to a halt."""
        held = [tp for tp in positions if tp in self.epochs or tp in self._parked]
        if held:
            consumer.incremental_unassign([KafkaPartition(*tp) for tp in held])
        for tp in held:
            self._parked.pop(tp, None)
        consumer.incremental_assign([KafkaPartition(*tp, offset) for tp, offset in positions.items()])

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """These partitions are not ours any more."""
        for tp in tps:
            self.epochs.pop(tp, None)
            self.stopped.discard(tp)
            self._parked.pop(tp, None)

    def pause(self, consumer: Consumer) -> None:
        """Take nothing from any partition until `resume`."""
        self.is_paused = True
        _set_paused(consumer, list(self.epochs), True)

    def resume(self, consumer: Consumer) -> None:
        """Take records again."""
        self.is_paused = False
        _set_paused(consumer, list(self.epochs.keys() - self.not_read), False)


def _set_paused(consumer: Consumer, tps: Sequence[TopicPartition], paused: bool) -> None:
    if not tps:
        return
    # A partition that just went away is refused; its revoke is on the way and the others were set.
    with contextlib.suppress(KafkaException):
        (consumer.pause if paused else consumer.resume)([KafkaPartition(*tp) for tp in tps])

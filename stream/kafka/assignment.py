"""Which partitions the consumer holds, under which epoch, and whether they are paused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.model import TopicPartition
from stream.kafka.starts import Start


class Assignment:
    """The owner's own record; librdkafka tells neither the epoch nor what is paused."""

    def __init__(self, incremental: bool) -> None:
        self.epochs: dict[TopicPartition, int] = {}
        self.stopped: set[TopicPartition] = set()
        """Held, but not consumed: records were lost and `on_data_loss = "stop"`."""
        self.is_paused = False
        self._incremental = incremental
        self._next_epoch = count(1)

    def grant(self, consumer: Consumer, starts: Sequence[Start]) -> None:
        """Read each of these partitions from its start, none of them paused."""
        where = [KafkaPartition(*start.tp, start.offset) for start in starts]
        if self._incremental:
            consumer.incremental_assign(where)
        else:
            consumer.assign(where)
        for start in starts:
            self.epochs[start.tp] = next(self._next_epoch)
        # The pause flag outlives a revoke in librdkafka; the state of a fresh grant is always set.
        self._set_paused(consumer, [start.tp for start in starts], False)
        if self.is_paused:
            self.resume(consumer)

    def restart(self, consumer: Consumer, tp: TopicPartition, offset: int) -> None:
        """Read a held partition from another offset, within the same epoch."""
        consumer.seek(KafkaPartition(*tp, offset))

    def drop(self, tps: Iterable[TopicPartition]) -> None:
        """These partitions are not ours any more."""
        for tp in tps:
            self.epochs.pop(tp, None)
            self.stopped.discard(tp)

    def pause(self, consumer: Consumer) -> None:
        """Take nothing from any partition until `resume`."""
        self.is_paused = True
        self._set_paused(consumer, list(self.epochs), True)

    def resume(self, consumer: Consumer) -> None:
        """Take records again."""
        self.is_paused = False
        self._set_paused(consumer, list(self.epochs), False)

    def _set_paused(self, consumer: Consumer, tps: list[TopicPartition], paused: bool) -> None:
        if not tps:
            return
        where = [KafkaPartition(*tp) for tp in tps]
        try:
            (consumer.pause if paused else consumer.resume)(where)
        except KafkaException:
            # A partition that just went away; its revoke is on the way and the others were set.
            return

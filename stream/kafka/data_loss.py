"""Committed offsets that the topic does not hold any more: never silent."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.model import DataLoss, StartedPartition, TopicPartition
from stream.core.ports import Journal, SourceEvents
from stream.kafka.assignment import Assignment
from stream.kafka.reader import watermarks
from stream.kafka.rebalance import Post
from stream.kafka.starts import Start

REMIND_EVERY_S = 60.0
TIMEOUT_S = 10.0


@dataclass(slots=True)
class _Stopped:
    loss: DataLoss
    remind_at: float


class DataLossWatch:
    """Decides by `on_data_loss` what happens to a partition whose next offset is out of range."""

    def __init__(self, skip: bool, assignment: Assignment, events: SourceEvents, post: Post, journal: Journal) -> None:
        self._skip = skip
        self._assignment = assignment
        self._events = events
        self._post = post
        self._journal = journal
        self._stopped: dict[TopicPartition, _Stopped] = {}

    def found(self, consumer: Consumer, tp: TopicPartition, asked: int) -> None:
        """Kafka has no record at `asked`; librdkafka reads no further on this partition by itself."""
        if tp not in self._assignment.epochs:
            return
        first, _end = watermarks(consumer, tp, TIMEOUT_S)
        loss = DataLoss(tp, first=asked, resume=first, skipped=self._skip)
        self._post(self._events.on_data_loss, loss)
        if self._skip:
            self._go_on(consumer, loss)
        else:
            self._assignment.stopped.add(tp)
            self._stopped[tp] = _Stopped(loss, remind_at=time.monotonic())

    def remind(self, now: float) -> None:
        """Repeat the error line of each partition that is not consumed."""
        for tp, stopped in list(self._stopped.items()):
            if tp not in self._assignment.stopped:
                del self._stopped[tp]
            elif now >= stopped.remind_at:
                stopped.remind_at = now + REMIND_EVERY_S
                self._journal.error(
                    "Records that were not read are gone from the topic; this partition is not consumed. "
                    'To go on at the first record that is left, set kafka.on_data_loss = "skip" and restart.',
                    **_missing(stopped.loss),
                )

    def _go_on(self, consumer: Consumer, loss: DataLoss) -> None:
        self._journal.error("Records that were not read are gone from the topic; they are skipped.", **_missing(loss))
        if loss.resume >= loss.first:
            consumer.incremental_unassign([KafkaPartition(*loss.tp)])
            consumer.incremental_assign([KafkaPartition(*loss.tp, loss.resume)])
            return
        # The topic begins anew below what we had read: offsets mean other records now, hence a new epoch.
        consumer.incremental_unassign([KafkaPartition(*loss.tp)])
        self._assignment.grant(consumer, [Start(loss.tp, loss.resume)])
        epoch = self._assignment.epochs[loss.tp]
        self._post(self._events.on_assigned, [StartedPartition(loss.tp, epoch, loss.resume, committed=None)])


def _missing(loss: DataLoss) -> dict[str, object]:
    return {
        "topic": loss.tp.topic,
        "partition": loss.tp.partition,
        "first_missing": loss.first,
        "resume_at": loss.resume,
    }

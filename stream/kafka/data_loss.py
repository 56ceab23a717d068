"""Committed offsets that the topic does not hold any more: never silent."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer

from stream.core.errors import SourceError
from stream.core.model import DataLoss, TopicPartition
from stream.core.ports import Journal, SourceEvents
from stream.core.start_offsets import Start
from stream.kafka.assignment import Assignment
from stream.kafka.reader import watermarks
from stream.kafka.rebalance import Begun, Post

REMIND_EVERY_S = 60.0
AGAIN_AFTER_S = 1.0
TIMEOUT_S = 3.0


@dataclass(slots=True)
class _Stopped:
    loss: DataLoss
    remind_at: float


class DataLossWatch:
    """Decides by `on_data_loss` what happens to a partition whose next offset is out of range."""

    def __init__(
        self, skip: bool, assignment: Assignment, begun: Begun, events: SourceEvents, post: Post, journal: Journal
    ) -> None:
        self._skip = skip
        self._assignment = assignment
        self._begun = begun
        self._events = events
        self._post = post
        self._journal = journal
        self._found: dict[TopicPartition, tuple[int, int]] = {}
        """(epoch, offset that Kafka had no record at), until the range of the partition is known."""
        self._ask_at = 0.0
        self._stopped: dict[TopicPartition, _Stopped] = {}

    def found(self, tp: TopicPartition, asked: int) -> None:
        """Kafka has no record at `asked`; librdkafka reads no further on this partition by itself."""
        if tp in self._assignment.epochs:
            self._found[tp] = self._assignment.epochs[tp], asked

    def go_on(self, consumer: Consumer) -> None:
        """Between two polls: decide about what was found, and repeat the error line of what is not consumed."""
        now = time.monotonic()
        if self._found and now >= self._ask_at:
            for tp, (epoch, asked) in list(self._found.items()):
                if self._assignment.epochs.get(tp) != epoch or self._decide(consumer, tp, asked):
                    del self._found[tp]
        self._remind(now)

    def _decide(self, consumer: Consumer, tp: TopicPartition, asked: int) -> bool:
        try:
            first, end = watermarks(consumer, tp, TIMEOUT_S)
        except SourceError as error:
            self._ask_at = time.monotonic() + AGAIN_AFTER_S
            self._journal.warning("What is left of a partition is not known yet; asking again.", error=str(error))
            return False
        if first <= asked <= end:  # a replica that lagged behind said so; nothing is missing
            self._assignment.move(consumer, {tp: asked})
            return True
        loss = DataLoss(tp, first=asked, resume=first, skipped=self._skip)
        self._post(self._events.on_data_loss, loss)
        if self._skip:
            self._read_on(consumer, loss)
        else:
            self._assignment.stopped.add(tp)
            self._stopped[tp] = _Stopped(loss, remind_at=time.monotonic())
        return True

    def _remind(self, now: float) -> None:
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

    def _read_on(self, consumer: Consumer, loss: DataLoss) -> None:
        self._journal.error("Records that were not read are gone from the topic; they are skipped.", **_missing(loss))
        if loss.resume >= loss.first:
            self._assignment.move(consumer, {loss.tp: loss.resume})
            return
        # The topic ends below what had been read: offsets mean other records now, hence a new epoch.
        start = Start(loss.tp, loss.resume)
        self._assignment.grant(consumer, [start])
        self._begun.tell([start])


def _missing(loss: DataLoss) -> dict[str, object]:
    return {
        "topic": loss.tp.topic,
        "partition": loss.tp.partition,
        "first_missing": loss.first,
        "resume_at": loss.resume,
    }

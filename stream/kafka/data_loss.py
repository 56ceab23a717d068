"""Committed offsets that the topic no longer holds: never silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer

from stream.kafka.assignment import Assignment
from stream.kafka.reader import watermarks
from stream.kafka.rebalance import AssignmentNotice, Post
from stream.kafka.start_offsets import ResolvedStart
from stream.kafka.topic_ids import Replaced, TopicWatch
from stream.model.errors import SourceError
from stream.model.ports import Logger, SourceEvents
from stream.model.records import TopicPartition
from stream.model.source import DataLoss

REMIND_EVERY_S = 60.0
AGAIN_AFTER_S = 1.0
THROUGH_EVERY_S = 0.2
TIMEOUT_S = 3.0

_STOPPED = {
    "expired": "Records that were not read are gone from the topic; this partition is not consumed.",
    "beyond_end": "The group's offset lies beyond the end of the partition; this partition is not consumed.",
    "recreated": "The topic was deleted and created again before it was read to its end; this partition is not "
    "consumed.",
}
_RESUME = ' To continue at the first record that is left, set kafka.on_data_loss = "skip" and restart.'


@dataclass(slots=True)
class _Stopped:
    loss: DataLoss
    remind_at: float = 0.0


@dataclass(slots=True)
class _Ending:
    epoch: int
    topic_id: str
    """Of the topic that is read next."""
    ask_at: float = 0.0
    is_through: bool = False
    """No event of the old topic is open. Set on the event loop."""


class DataLossWatch:
    """Decides by `on_data_loss` what happens to a partition whose next offset is out of range."""

    def __init__(
        self,
        skip: bool,
        topics: TopicWatch,
        assignment: Assignment,
        begun: AssignmentNotice,
        events: SourceEvents,
        post: Post,
        logger: Logger,
        *,
        release: Callable[[TopicPartition], None],
        may_restart: bool,
    ) -> None:
        """`release` hands over what was polled of a partition and is kept back.

        `may_restart`: a topic that was deleted and created again may be read from its beginning.
        """
        self._skip = skip
        self._assignment = assignment
        self._begun = begun
        self._events = events
        self._post = post
        self._logger = logger
        self._topics = topics
        self._may_restart = may_restart
        self._release = release
        self._found: dict[TopicPartition, tuple[int, int, int]] = {}
        """(epoch, offset that Kafka had no record at, questions for topic ids until then), until it is decided."""
        self._replaced: list[Replaced] = []
        """Until the range of the new partition is known."""
        self._ending: dict[TopicPartition, _Ending] = {}
        """Partitions of replaced topics whose open events are waited for."""
        self._ask_at = 0.0
        self._stopped: dict[TopicPartition, _Stopped] = {}

    def found(self, tp: TopicPartition, asked: int) -> None:
        """Kafka has no record at `asked`; librdkafka reads no further on this partition by itself."""
        if tp in self._assignment.epochs:
            self._topics.hurry()
            self._found[tp] = self._assignment.epochs[tp], asked, self._topics.ids.questions

    def go_on(self, consumer: Consumer) -> None:
        """Between two polls: decide about what was found, and repeat the error line of what is not consumed."""
        now = self._topics.monotonic()
        self._take(consumer, *self._topics.go_on())
        if now >= self._ask_at:
            self._replaced = [one for one in self._replaced if not self._decide_replaced(consumer, one)]
            for tp, (epoch, asked, questions) in list(self._found.items()):
                if self._assignment.epochs.get(tp) != epoch or self._decide(consumer, tp, asked, questions):
                    self._found.pop(tp, None)
        for tp, ending in list(self._ending.items()):
            if self._restart(consumer, tp, ending, now):
                del self._ending[tp]
        self._remind(now)

    def granted(self, consumer: Consumer) -> None:
        """Within the assign callback: take nothing of partitions whose commits are known to be of an earlier topic."""
        self._take(consumer, *self._topics.compare())

    def _take(self, consumer: Consumer, found: Mapping[TopicPartition, str], replaced: list[Replaced]) -> None:
        if found:
            self._post(self._events.on_topic_ids, found)
        for one in replaced:
            self._release(one.tp)
            self._assignment.stop(consumer, one.tp)
            self._found.pop(one.tp, None)
        self._replaced += replaced

    def _decide(self, consumer: Consumer, tp: TopicPartition, asked: int, questions: int) -> bool:
        if self._topics.ids.answered <= questions:  # whether it is the same topic still is being asked
            return False
        if (found := self._range(consumer, tp)) is None:
            return False
        first, end = found
        if first <= asked <= end:  # a replica that lagged behind said so; nothing is missing
            self._assignment.move(consumer, {tp: asked})
            return True
        loss = DataLoss(tp, first=asked, resume=first, skipped=self._skip, end=end)
        if not self._skip:
            self._stop(consumer, loss)
            return True
        self._post(self._events.on_data_loss, loss)
        self._read_on(consumer, loss)
        return True

    def _decide_replaced(self, consumer: Consumer, one: Replaced) -> bool:
        """The new topic is read from its beginning, unless records of the old one are missing and that stops us.

        Events of the old one that were read already are delivered first.
        """
        tp = one.tp
        if self._assignment.epochs.get(tp) != one.epoch:
            return True
        if (found := self._range(consumer, tp)) is None:
            return False
        first, end = found
        restarts = self._may_restart and (self._skip or one.was_read)
        at = self._assignment.positions[tp]
        loss = DataLoss(tp, at, first, restarts, end=end, is_replaced=True, was_read=one.was_read)
        if not restarts:
            self._stop(consumer, loss)
            return True
        self._post(self._events.on_data_loss, loss)
        self._logger.warning(
            "The topic was deleted and created again. What was read of the old one is delivered; then the new one is "
            "read from its first record.",
            topic=tp.topic,
            partition=tp.partition,
            old_position=at,
            was_read_to_its_end=one.was_read,
            resume_at=first,
        )
        self._ending[tp] = _Ending(one.epoch, one.topic_id)
        return True

    def _restart(self, consumer: Consumer, tp: TopicPartition, ending: _Ending, now: float) -> bool:
        if self._assignment.epochs.get(tp) != ending.epoch:
            return True
        if not ending.is_through:
            if now >= ending.ask_at:
                ending.ask_at = now + THROUGH_EVERY_S
                self._post(self._ask_engine, tp, ending)
            return False
        if (found := self._range(consumer, tp)) is None:
            return False
        # Nothing is committed of the new topic yet: its first commit is made when reading begins.
        start = ResolvedStart(tp, found[0], "", ending.topic_id, is_committed=False)
        self._assignment.grant(consumer, [start])
        self._begun.tell([start])
        return True

    def _ask_engine(self, tp: TopicPartition, ending: _Ending) -> None:
        """On the event loop."""
        ending.is_through = not self._events.has_open(tp, ending.epoch)

    def _range(self, consumer: Consumer, tp: TopicPartition) -> tuple[int, int] | None:
        try:
            return watermarks(consumer, tp, TIMEOUT_S)
        except SourceError as error:
            self._ask_at = self._topics.monotonic() + AGAIN_AFTER_S
            self._logger.warning("What is left of a partition is not known yet; asking again.", error=str(error))
            return None

    def _stop(self, consumer: Consumer, loss: DataLoss) -> None:
        """Say why before the engine learns of it: when nothing else is left to consume, that ends the run."""
        self._assignment.stop(consumer, loss.tp)
        self._stopped[loss.tp] = stopped = _Stopped(loss)
        self._tell(stopped, self._topics.monotonic())
        self._post(self._events.on_data_loss, loss)

    def _remind(self, now: float) -> None:
        for tp, stopped in list(self._stopped.items()):
            if tp not in self._assignment.stopped:
                del self._stopped[tp]
            elif now >= stopped.remind_at:
                self._tell(stopped, now)

    def _tell(self, stopped: _Stopped, now: float) -> None:
        stopped.remind_at = now + REMIND_EVERY_S
        self._logger.error(_STOPPED[stopped.loss.reason] + _RESUME, **_missing(stopped.loss))

    def _read_on(self, consumer: Consumer, loss: DataLoss) -> None:
        self._logger.error("Records that were not read are gone from the topic; they are skipped.", **_missing(loss))
        if loss.resume >= loss.first:
            self._assignment.move(consumer, {loss.tp: loss.resume})
            return
        # The topic ends below what had been read: offsets mean other records now, hence a new epoch.
        start = ResolvedStart(loss.tp, loss.resume, "", self._assignment.topic_ids[loss.tp], is_committed=False)
        self._assignment.grant(consumer, [start])
        self._begun.tell([start])


def _missing(loss: DataLoss) -> dict[str, object]:
    where = {"topic": loss.tp.topic, "partition": loss.tp.partition, "first_missing": loss.first}
    beyond = {"end": loss.end} if loss.reason == "beyond_end" else {}
    return {**where, **beyond, "resume_at": loss.resume}

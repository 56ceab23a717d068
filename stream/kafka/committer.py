"""Commits offsets without waiting; each answer is told once, with the epoch that the commit belonged to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.model import CommitOutcome, CommitResult, TopicPartition
from stream.core.ports import Offsets
from stream.kafka.codes import commit_outcome, kafka_error

Report = Callable[[Sequence[CommitResult]], None]


class Committer:
    """Used by the consumer's owner alone; the answers come while it polls."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._epochs: dict[tuple[TopicPartition, int], int] = {}
        """Epoch of each commit under way, by partition and offset."""

    @property
    def is_waiting(self) -> bool:
        """Whether a commit was not answered yet."""
        return bool(self._epochs)

    def commit(self, consumer: Consumer, offsets: Offsets) -> None:
        """Send a commit of (epoch, next offset) per partition."""
        if not offsets:
            return
        self._epochs |= {(tp, offset): epoch for tp, (epoch, offset) in offsets.items()}
        asked = [KafkaPartition(tp.topic, tp.partition, offset) for tp, (_, offset) in offsets.items()]
        try:
            consumer.commit(offsets=asked, asynchronous=True)
        except KafkaException as error:
            self.on_commit(kafka_error(error), asked)

    def on_commit(self, error: KafkaError | None, answers: Sequence[KafkaPartition]) -> None:
        """librdkafka's callback: one answer per partition, or one error for all of them."""
        results = []
        for answer in answers:
            tp = TopicPartition(answer.topic, answer.partition)
            epoch = self._epochs.pop((tp, answer.offset), None)
            if epoch is not None:
                results.append(_result(tp, epoch, answer.offset, answer.error or error))
        if results:
            self._report(results)


def _result(tp: TopicPartition, epoch: int, offset: int, error: KafkaError | None) -> CommitResult:
    outcome = commit_outcome(error)
    word = "" if error is None or outcome is CommitOutcome.OK else error.name()
    return CommitResult(tp, epoch, offset, outcome, word)

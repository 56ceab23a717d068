"""Commits offsets without waiting; each answer is reported once, with the epoch that the commit belonged to."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.codes import NEVER_STORED, as_source_error, commit_outcome, error_word, kafka_error
from stream.model.ports import Offsets
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

REQUEST_BYTES = 400_000
"""Most that one request asks Kafka to store. It writes them as one batch, and refuses all of one beyond 1 MB."""
ENTRY_BYTES = 120
"""What Kafka adds to the names and the metadata of a commit, at most."""

ReportCommits = Callable[[Sequence[CommitResult]], None]


class Committer:
    """Used by the consumer's owner alone; the answers come while it polls.

    Invariant: nothing is sent for a partition whose epoch is over, and nothing lower than what was sent before
    in the same epoch. librdkafka and the broker check neither.
    """

    def __init__(
        self, epochs: Mapping[TopicPartition, int], origins: Mapping[TopicPartition, str], report: ReportCommits
    ) -> None:
        self._current = epochs
        self._origins = origins
        self._report = report
        self.sent: dict[TopicPartition, CommitOffset] = {}
        """What was sent last."""
        self._asked: defaultdict[tuple[TopicPartition, int], deque[int]] = defaultdict(deque)
        """Epochs of the commits under way, by partition and offset, in the order sent."""

    @property
    def is_waiting(self) -> bool:
        """Whether a commit was not answered yet."""
        return bool(self._asked)

    def commit(self, consumer: Consumer, offsets: Offsets) -> None:
        """Send a commit; what is out of date is answered at once."""
        late = {tp: due for tp, due in offsets.items() if self._is_late(tp, due.epoch, due.offset)}
        if late:
            dropped = CommitOutcome.DROPPED
            self._report([CommitResult(tp, due.epoch, due.offset, dropped, "out of date") for tp, due in late.items()])
        asked = []
        for tp, due in offsets.items():
            if tp not in late:
                self.sent[tp] = due
                self._asked[tp, due.offset].append(due.epoch)
                metadata = due.metadata + self._origins.get(tp, "")
                asked.append(KafkaPartition(tp.topic, tp.partition, due.offset, metadata))
        for part in _parts(asked):
            try:
                consumer.commit(offsets=part, asynchronous=True)
            except KafkaException as error:
                self.on_commit(kafka_error(error), part)

    def on_commit(self, error: KafkaError | None, answers: Sequence[KafkaPartition]) -> None:
        """librdkafka's callback: one answer per partition, or one error for all of them.

        Raises:
            RefusedError: Kafka will not store this group's commits, so working on is useless.
        """
        results = []
        for answer in answers:
            tp = TopicPartition(answer.topic, answer.partition)
            if (epoch := self._answered(tp, answer.offset)) is not None:
                results.append(_result(tp, epoch, answer.offset, answer.error or error))
        if results:
            self._report(results)
        for fault in (answer.error or error for answer in answers):
            if fault is not None and fault.code() in NEVER_STORED:
                raise as_source_error(fault, "committing offsets")

    def _is_late(self, tp: TopicPartition, epoch: int, offset: int) -> bool:
        sent = self.sent.get(tp)
        return self._current.get(tp) != epoch or (sent is not None and sent.epoch == epoch and offset < sent.offset)

    def _answered(self, tp: TopicPartition, offset: int) -> int | None:
        epochs = self._asked.get((tp, offset))
        if epochs is None:
            return None
        epoch = epochs.popleft()
        if not epochs:
            del self._asked[tp, offset]
        return epoch


def _parts(asked: Sequence[KafkaPartition]) -> Iterator[list[KafkaPartition]]:
    """The commits of each request, of bounded size."""
    part: list[KafkaPartition] = []
    size = 0
    for one in asked:
        added = ENTRY_BYTES + 2 * len(one.topic) + len(one.metadata or "")
        if part and size + added > REQUEST_BYTES:
            yield part
            part, size = [], 0
        part.append(one)
        size += added
    if part:
        yield part


def _result(tp: TopicPartition, epoch: int, offset: int, error: KafkaError | None) -> CommitResult:
    outcome = commit_outcome(error)
    word = "" if error is None or outcome is CommitOutcome.OK else error_word(error)
    return CommitResult(tp, epoch, offset, outcome, word)

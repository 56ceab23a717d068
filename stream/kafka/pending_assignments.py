"""Partitions that were granted and are not read yet: their starts are asked for, or are being committed."""

from __future__ import annotations

import queue
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from confluent_kafka import Consumer

from stream.kafka.assignment import Assignment
from stream.kafka.committer import Committer
from stream.kafka.start_offsets import FirstLook, Grants, ResolvedStart, StartAnswer, StartOffsets, TopicStart
from stream.kafka.starts import StartReader
from stream.kafka.topic_ids import TopicIds
from stream.model.amounts import listed
from stream.model.errors import RefusedError, SourceError, StreamError
from stream.model.ports import Logger
from stream.model.records import TopicPartition
from stream.model.source import CommitOffset, CommitOutcome, CommitResult

LISTED = 20
"""Partitions whose starts a line names one by one."""

Begin = Callable[[Sequence[ResolvedStart]], None]


class PendingAssignments:
    """Parks what is granted until Kafka has said where it starts. Used by the consumer's owner alone."""

    def __init__(
        self,
        reader: StartReader,
        ids: TopicIds,
        assignment: Assignment,
        committer: Committer,
        begin: Begin,
        logger: Logger,
    ) -> None:
        self._reader = reader
        self._ids = ids
        self._assignment = assignment
        self._committer = committer
        self._begin = begin
        self._logger = logger
        self._starts = StartOffsets()
        self._asked: Grants = {}
        self._ready: list[ResolvedStart] = []

    @property
    def may_join(self) -> bool:
        """Whether it is known what Kafka held before this process joins the group."""
        return self._starts.has_looked

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is awaited that lets partitions be read."""
        return self._starts.is_waiting or bool(self._ready)

    def add(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> None:
        """Granted, within the assign callback."""
        if tps:
            self._starts.add(self._assignment.park(consumer, tps))
        else:
            self._begin([])

    def advance(self, consumer: Consumer) -> None:
        """Between two polls: begin what has become ready, take an answer, ask the next question.

        Raises:
            RefusedError: Kafka does not let us see offsets.
        """
        self._take_answer(consumer)
        if self._ready:
            ready, self._ready = self._ready, []
            self._grant(consumer, ready)
        if self._starts.is_due(time.monotonic()):
            self._ask()

    def drop(self, tps: Collection[TopicPartition]) -> None:
        """These partitions are revoked or lost."""
        self._starts.drop(tps)
        self._ready = [start for start in self._ready if start.tp not in tps]

    def on_committed(self, results: Iterable[CommitResult]) -> list[CommitResult]:
        """Take the answers to commits of starts; the rest, which is for the engine."""
        answers = list(results)
        starts = [result for result in answers if self._starts.is_start(result)]
        others = [result for result in answers if not self._starts.is_start(result)]
        self._ready += self._starts.committed(starts, time.monotonic())
        for error in sorted({result.error for result in starts if result.outcome is not CommitOutcome.OK}):
            self._warn(f"The commit of the start failed ({error}).")
        return others

    def _ask(self) -> None:
        self._asked = self._starts.ask()
        if self._starts.has_looked:
            topics = {tp.topic for tp in self._asked}
            self._ids.forget(topics)
            self._reader.ask(sorted(self._asked), topics & self._starts.look.topic_ids.keys())
        else:
            self._reader.look()

    def _take_answer(self, consumer: Consumer) -> None:
        try:
            answer = self._reader.answers.get_nowait()
        except queue.Empty:
            return
        if isinstance(answer, FirstLook):
            self._starts.looked(answer)
        elif isinstance(answer, StartAnswer):
            self._resolve(consumer, answer)
        else:
            self._on_failed(answer)

    def _on_failed(self, error: StreamError) -> None:
        if isinstance(error, RefusedError) or not isinstance(error, SourceError):
            raise error
        self._starts.failed(time.monotonic())
        self._warn(str(error))

    def _resolve(self, consumer: Consumer, answer: StartAnswer) -> None:
        self._ids.learn(answer.topic_ids)
        for topic in sorted(
            {tp.topic for tp in self._asked} & self._starts.look.topic_ids.keys() - answer.topic_ids.keys()
        ):
            self._warn(f"Kafka gives no id of the topic {topic}.")
        resolved = self._starts.answered(self._asked, answer, time.monotonic())
        if resolved.known:
            self._grant(consumer, resolved.known)
        if resolved.fresh:
            self._log_fresh(resolved.fresh)
            self._committer.commit(consumer, resolved.fresh)

    def _grant(self, consumer: Consumer, starts: Sequence[ResolvedStart]) -> None:
        self._assignment.grant(consumer, starts)
        self._begin(starts)

    def _warn(self, why: str) -> None:
        self._logger.warning("Start offsets are not known yet; asking again.", error=why)

    def _log_fresh(self, fresh: Mapping[TopicPartition, CommitOffset]) -> None:
        """One line per topic and policy."""
        by_policy: defaultdict[tuple[str, TopicStart], list[str]] = defaultdict(list)
        for tp, due in sorted(fresh.items()):
            by_policy[tp.topic, self._starts.look.policy(tp)].append(f"{tp.partition}:{due.offset}")
        for (topic, start), offsets in by_policy.items():
            where: dict[str, object] = {"topic": topic, "start": start.policy}
            where["offsets"] = listed(offsets, LISTED)
            if start.because_of:
                where["reason"] = f"a new workflow: {start.because_of} has been reading this topic"
                where["change"] = 'before its first start, set start = "earliest" in its [[workflow]]'
            self._logger.info("Nothing was committed here.", **where)

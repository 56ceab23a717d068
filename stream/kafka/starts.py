"""Where each granted partition starts: at its committed offset, else by the start policy, resolved and committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.errors import RefusedError, SourceError
from stream.core.model import TopicPartition
from stream.core.ports import Journal
from stream.kafka.codes import as_source_error
from stream.kafka.reader import committed, watermarks

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Start:
    """Where reading begins. `committed` is None when the group had committed nothing and this start was."""

    tp: TopicPartition
    offset: int


def start_policy(tp: TopicPartition, group_has_topic: bool, policy: str) -> str:
    """`earliest` or `latest` for a partition without a commit.

    The policy is for topics new to the group; a partition that a known topic grew starts at its first record,
    since everything in it came after the group began.
    """
    return "earliest" if group_has_topic else policy


class Starts:
    """Resolves starts, asking until Kafka answers: an unread commit is never taken for none."""

    def __init__(self, policy: str, journal: Journal, may_wait: Callable[[], bool]) -> None:
        self._policy = policy
        self._journal = journal
        self._may_wait = may_wait

    def resolve(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> list[Start]:
        """Start of each partition; called within the assign callback.

        Raises:
            SourceError: Kafka did not answer for as long as `may_wait` allowed, or refused.
        """
        while True:
            try:
                return self._resolve(consumer, tps)
            except RefusedError:
                raise
            except SourceError as error:
                if not self._may_wait():
                    raise
                self._journal.warning("Start offsets are not known yet; asking again.", error=str(error))

    def _resolve(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> list[Start]:
        known = committed(consumer, tps, TIMEOUT_S) if tps else {}
        fresh = [tp for tp in tps if tp not in known]
        topics_known = (
            {tp.topic for tp in committed(consumer, self._siblings(consumer, fresh), TIMEOUT_S)} if fresh else set()
        )
        resolved = {tp: self._resolve_fresh(consumer, tp, tp.topic in topics_known) for tp in fresh}
        if resolved:
            self._commit(consumer, resolved)
        return [Start(tp, known.get(tp, resolved.get(tp, 0))) for tp in tps]

    def _siblings(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> list[TopicPartition]:
        siblings = []
        for topic in sorted({tp.topic for tp in tps}):
            try:
                partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
            except KafkaException as error:
                raise as_source_error(error, f"asking for the partitions of {topic}") from error
            siblings += [TopicPartition(topic, partition) for partition in partitions]
        return siblings

    def _resolve_fresh(self, consumer: Consumer, tp: TopicPartition, group_has_topic: bool) -> int:
        first, end = watermarks(consumer, tp, TIMEOUT_S)
        rule = start_policy(tp, group_has_topic, self._policy)
        offset = first if rule == "earliest" else end
        self._journal.info(
            "Nothing was committed here.", topic=tp.topic, partition=tp.partition, start=rule, offset=offset
        )
        return offset

    def _commit(self, consumer: Consumer, offsets: dict[TopicPartition, int]) -> None:
        doing = "committing the first offsets"
        try:
            answers = consumer.commit(offsets=[KafkaPartition(*tp, o) for tp, o in offsets.items()], asynchronous=False)
        except KafkaException as error:
            raise as_source_error(error, doing) from error
        for answer in answers or ():
            if answer.error is not None:
                raise as_source_error(answer.error, doing)

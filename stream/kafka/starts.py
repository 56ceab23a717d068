"""Where each granted partition starts: at its committed offset, else by the start policy."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException

from stream.core.model import TopicPartition
from stream.core.ports import Journal
from stream.kafka.codes import as_source_error
from stream.kafka.reader import committed, watermarks

TIMEOUT_S = 3.0
"""Of one question; the owner polls between two tries."""


@dataclass(frozen=True)
class Start:
    """Where reading begins."""

    tp: TopicPartition
    offset: int
    metadata: str = ""
    """What the commit at this offset said of the offsets beyond it."""


@dataclass(frozen=True)
class Resolved:
    """Starts of granted partitions."""

    known: list[Start] = field(default_factory=list)
    """The group has committed these."""
    fresh: list[Start] = field(default_factory=list)
    """Decided by the policy: to be committed before the first record is read."""
    others: list[Start] = field(default_factory=list)
    """Likewise for the rest of a topic that is new to the group, whoever they are granted to."""


def start_policy(group_has_topic: bool, policy: str) -> str:
    """`earliest` or `latest` for a partition without a commit.

    The policy is for topics new to the group; a partition that a known topic grew starts at its first record,
    since everything in it came after the group began.
    """
    return "earliest" if group_has_topic else policy


class Starts:
    """Asks Kafka; an answer that does not come is never taken for none."""

    def __init__(self, policy: str, journal: Journal) -> None:
        self._policy = policy
        self._journal = journal

    def known(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> list[Start]:
        """Starts of those that the group has committed; may be asked within a callback.

        Raises:
            SourceError: Kafka did not answer, or refused.
        """
        found = committed(consumer, tps, TIMEOUT_S)
        return [Start(tp, *found[tp]) for tp in tps if tp in found]

    def resolve(self, consumer: Consumer, tps: Sequence[TopicPartition]) -> Resolved:
        """Start of each partition. Not to be called within a callback, since it asks for metadata.

        A topic is new to the group when no partition has a commit. Of a new topic every partition gets its start
        now. Were each member to see to its own, the first one would make the topic a known one, and the
        partitions of the others would begin at their first record.

        Raises:
            SourceError: Kafka did not answer, or refused.
        """
        everything = dict.fromkeys([*tps, *_partitions(consumer, {tp.topic for tp in tps})])
        known = committed(consumer, everything, TIMEOUT_S)
        seen = {tp.topic for tp in known}
        missing = [tp for tp in everything if tp not in known and (tp in tps or tp.topic not in seen)]
        fresh = [self._by_policy(consumer, tp, tp.topic in seen, tp in tps) for tp in missing]
        return Resolved(
            [Start(tp, *known[tp]) for tp in tps if tp in known],
            [start for start in fresh if start.tp in tps],
            [start for start in fresh if start.tp not in tps],
        )

    def _by_policy(self, consumer: Consumer, tp: TopicPartition, group_has_topic: bool, is_ours: bool) -> Start:
        first, end = watermarks(consumer, tp, TIMEOUT_S)
        rule = start_policy(group_has_topic, self._policy)
        offset = first if rule == "earliest" else end
        if is_ours:
            where: Mapping[str, object] = {"topic": tp.topic, "partition": tp.partition}
            self._journal.info("Nothing was committed here.", **where, start=rule, offset=offset)
        return Start(tp, offset)


def _partitions(consumer: Consumer, topics: Collection[str]) -> list[TopicPartition]:
    found = []
    for topic in sorted(topics):
        try:
            # Within a callback this would end the process: confluent-kafka 2.16 loses the state of the call that
            # the callback belongs to, and aborts at the next callback of the same poll.
            partitions = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        except KafkaException as error:
            raise as_source_error(error, f"asking for the partitions of {topic}") from error
        found += [TopicPartition(topic, partition) for partition in sorted(partitions)]
    return found

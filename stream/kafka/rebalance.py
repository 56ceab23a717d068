"""The rebalance callbacks. They run inside poll, must not raise, and hold the group up until they return."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from stream.core.model import StartedPartition, TopicPartition
from stream.core.ports import Offsets, SourceEvents
from stream.kafka.assignment import Assignment
from stream.kafka.committer import Committer
from stream.kafka.starts import Starts

BEAT_S = 0.2
DRAIN_SLACK_S = 5.0
"""How long the engine may take over its drain timeout before the partitions are given back without a commit."""

Post = Callable[..., None]
"""Runs a function with these arguments on the event loop, later and in order."""


class Rebalance:
    """Turns librdkafka's callbacks into calls on the engine, and waits for the engine to drain."""

    def __init__(
        self,
        events: SourceEvents,
        post: Post,
        assignment: Assignment,
        committer: Committer,
        starts: Starts,
        drain_timeout_s: float,
        beat: Callable[[], None],
    ) -> None:
        self._events = events
        self._post = post
        self._assignment = assignment
        self._committer = committer
        self._starts = starts
        self._drain_timeout_s = drain_timeout_s
        self._beat = beat

    def on_assign(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Granted: resolve the starts, begin to read, tell the engine."""
        starts = self._starts.resolve(consumer, _tps(partitions))
        self._assignment.grant(consumer, starts)
        epochs = self._assignment.epochs
        started = [StartedPartition(s.tp, epochs[s.tp], start=s.offset, committed=s.offset) for s in starts]
        self._post(self._events.on_assigned, started)

    def on_revoke(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """To be given back: drain, send the last commit, let go. librdkafka sends it before it leaves them."""
        tps = [tp for tp in _tps(partitions) if tp in self._assignment.epochs]
        if tps:
            self._committer.commit(consumer, self._drained(tps))
        self._assignment.drop(tps)

    def on_lost(self, _consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Gone already: nothing may be committed."""
        tps = [tp for tp in _tps(partitions) if tp in self._assignment.epochs]
        self._assignment.drop(tps)
        self._post(self._events.on_lost, tps)

    def _drained(self, tps: Sequence[TopicPartition]) -> Offsets:
        answer: queue.SimpleQueue[Offsets] = queue.SimpleQueue()
        self._post(self._events.on_revoked, tps, answer.put)
        give_up_at = time.monotonic() + self._drain_timeout_s + DRAIN_SLACK_S
        while time.monotonic() < give_up_at:
            self._beat()
            try:
                return answer.get(timeout=BEAT_S)
            except queue.Empty:
                continue
        return {}


def _tps(partitions: Sequence[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in partitions]

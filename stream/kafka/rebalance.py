"""Rebalance callbacks (inside poll: they must not raise, and hold the group up until they return), and leaving."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream.kafka.assignment import Assignment
from stream.kafka.codes import error_text
from stream.kafka.committer import Committer
from stream.kafka.pending_assignments import PendingAssignments
from stream.kafka.start_offsets import ResolvedStart
from stream.model.ports import Logger, Offsets, SourceEvents
from stream.model.records import TopicPartition
from stream.model.source import StartedPartition

BEAT_S = 0.2
DRAIN_SLACK_S = 5.0
"""How long the engine may take over its drain timeout before the partitions are given back without a commit."""

CLOSE_WAIT_S = 3.0
"""How long leaving the group may take; librdkafka would wait a minute for a broker that is gone."""

Post = Callable[..., None]
"""Runs a function with these arguments on the event loop, later and in order."""


class AssignmentNotice:
    """Tells the engine of partitions that are read from now on."""

    def __init__(self, events: SourceEvents, post: Post, assignment: Assignment) -> None:
        self._events = events
        self._post = post
        self._assignment = assignment

    def tell(self, starts: Sequence[ResolvedStart]) -> None:
        """Granted, each in its present epoch; none at all when a rebalance brought nothing."""
        epochs = self._assignment.epochs
        started = [
            StartedPartition(s.tp, epochs[s.tp], s.offset, s.offset if s.is_committed else None, s.metadata, s.topic_id)
            for s in starts
        ]
        self._post(self._events.on_assigned, started)


class Rebalance:
    """Turns librdkafka's callbacks into calls on the engine, and waits for the engine to drain."""

    def __init__(
        self,
        events: SourceEvents,
        post: Post,
        assignment: Assignment,
        committer: Committer,
        arrivals: PendingAssignments,
        drain_timeout_s: float,
        turn: Callable[[], None],
    ) -> None:
        """`turn` runs the commands that wait, and tells that this thread lives."""
        self._events = events
        self._post = post
        self._assignment = assignment
        self._committer = committer
        self._arrivals = arrivals
        self._drain_timeout_s = drain_timeout_s
        self._turn = turn
        self.is_draining = False

    def on_assign(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Granted: resolve the starts, begin to read, tell the engine."""
        self._arrivals.add(consumer, _tps(partitions))

    def on_revoke(self, consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """To be given back: drain, send the last commit, let go.

        librdkafka lets go of nothing before the commits under way are answered.
        """
        tps = self._held(partitions)
        if tps:
            offsets = self._drained(tps)
            self._turn()  # commits that were asked for earlier: sent later they would set the offsets back
            self._committer.commit(consumer, offsets)
        self._drop(partitions)

    def on_lost(self, _consumer: Consumer, partitions: Sequence[KafkaPartition]) -> None:
        """Gone already: nothing may be committed."""
        tps = self._held(partitions)
        self._drop(partitions)
        if tps:
            self._post(self._events.on_lost, tps)

    def _held(self, partitions: Sequence[KafkaPartition]) -> list[TopicPartition]:
        return [tp for tp in _tps(partitions) if tp in self._assignment.epochs]

    def _drop(self, partitions: Sequence[KafkaPartition]) -> None:
        self._arrivals.drop(_tps(partitions))
        self._assignment.drop(_tps(partitions))

    def _drained(self, tps: Sequence[TopicPartition]) -> Offsets:
        answer: queue.SimpleQueue[Offsets] = queue.SimpleQueue()
        self._post(self._events.on_revoked, tps, answer.put)
        give_up_at = time.monotonic() + self._drain_timeout_s + DRAIN_SLACK_S
        self.is_draining = True
        try:
            while time.monotonic() < give_up_at:
                self._turn()
                with contextlib.suppress(queue.Empty):
                    return answer.get(timeout=BEAT_S)
            return {}
        finally:
            self.is_draining = False


def _tps(partitions: Sequence[KafkaPartition]) -> list[TopicPartition]:
    return [TopicPartition(p.topic, p.partition) for p in partitions]


def leave_group(consumer: Consumer, group: str, rebalance: Rebalance, beat: Callable[[], None], logger: Logger) -> None:
    """Close the consumer, in a thread that is left behind when Kafka does not answer."""
    closing = threading.Thread(target=_close, args=(consumer, logger), name=f"leaving {group}", daemon=True)
    closing.start()
    give_up_at = time.monotonic() + CLOSE_WAIT_S
    while closing.is_alive() and time.monotonic() < give_up_at:
        if rebalance.is_draining:  # closing gives back what is still held
            give_up_at = time.monotonic() + CLOSE_WAIT_S
        beat()
        closing.join(BEAT_S)
    if closing.is_alive():
        logger.warning("Kafka does not answer; the group will notice that this member is gone.")


def _close(consumer: Consumer, logger: Logger) -> None:
    try:
        consumer.close()
    except KafkaException as error:
        logger.warning("The consumer did not close in order.", error=error_text(error))

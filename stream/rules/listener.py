"""Who hears what becomes of each event: the JSON trace, spans, a redrive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stream.model.attempts import Answer
from stream.model.events import FilterReason, Reason
from stream.model.records import Record, TopicPartition

if TYPE_CHECKING:
    from stream.model.ports import Build, Sender


class DeliveryListener:
    """Called by one engine on the event loop. No method may raise; each does nothing unless it is overridden."""

    def on_started(self, workflows: Sequence[str]) -> None:
        """The engine starts, with these workflows."""

    def on_assigned(self, tp: TopicPartition, start: int, topic_id: str) -> None:
        """A partition was granted, and is read from `start`; `topic_id` is empty while it is unknown."""

    def on_revoked(self, tp: TopicPartition) -> None:
        """A partition was drained and its last commit answered, or no longer waited for."""

    def on_lost(self, tp: TopicPartition) -> None:
        """A partition is gone without a drain."""

    def on_attempt(self, record: Record, workflow: str, number: int, answer: Answer, elapsed_s: float) -> None:
        """An attempt to deliver an event was answered, or has failed; `number` counts from 1."""

    def on_delivered(self, record: Record, workflow: str, attempts: int, status: int) -> None:
        """A workflow has taken an event."""

    def on_filtered(self, record: Record, workflow: str | None, reason: FilterReason) -> None:
        """A workflow does not get an event; None: no workflow does."""

    def on_dead_lettered(self, record: Record, workflow: str | None, reason: Reason, topic_id: str) -> None:
        """The dead letter of an event is acknowledged; `workflow` is None for an invalid event of all of them."""

    def on_committed(self, tp: TopicPartition, offset: int, is_stored: bool) -> None:
        """Kafka answered a commit."""

    def on_stopped(self) -> None:
        """The engine has ended."""

    def flush(self) -> None:
        """Make what was recorded outlive the process: what allows a commit is on record before it is made."""


class Spans(DeliveryListener, ABC):
    """Follows deliveries and their attempts as spans."""

    @abstractmethod
    def around_build(self, workflow: str, build: Build) -> Build:
        """The same, with a span for each request."""

    @abstractmethod
    def around_sender(self, sender: Sender) -> Sender:
        """The same, which ends the spans of the requests it sends."""


class TraceLines(DeliveryListener, ABC):
    """Each step as a word with fields: the lines of `--trace`."""

    @abstractmethod
    def emit(self, event: str, /, **fields: object) -> None:
        """Record one step; never raises."""

    def on_started(self, workflows: Sequence[str]) -> None:
        self.emit("started", workflows=list(workflows))

    def on_assigned(self, tp: TopicPartition, start: int, topic_id: str) -> None:
        self.emit("assigned", topic=tp.topic, partition=tp.partition, offset=start, **_known(topic_id))

    def on_revoked(self, tp: TopicPartition) -> None:
        self.emit("revoked", topic=tp.topic, partition=tp.partition)

    def on_lost(self, tp: TopicPartition) -> None:
        self.emit("lost", topic=tp.topic, partition=tp.partition)

    def on_delivered(self, record: Record, workflow: str, attempts: int, status: int) -> None:
        self.emit("delivered", **_place(record), workflow=workflow, attempts=attempts, status=status)

    def on_filtered(self, record: Record, workflow: str | None, reason: FilterReason) -> None:
        self.emit("filtered", **_place(record), workflow=workflow, reason=reason)

    def on_dead_lettered(self, record: Record, workflow: str | None, reason: Reason, topic_id: str) -> None:
        self.emit("dead_lettered", **_place(record), workflow=workflow, reason=reason, **_known(topic_id))

    def on_committed(self, tp: TopicPartition, offset: int, is_stored: bool) -> None:
        self.emit("committed", topic=tp.topic, partition=tp.partition, offset=offset, ok=is_stored)

    def on_stopped(self) -> None:
        self.emit("stopped")


def _place(record: Record) -> dict[str, object]:
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _known(topic_id: str) -> dict[str, object]:
    return {"topic_id": topic_id} if topic_id else {}

"""What the engine asks of the world: the protocols that the edges, and the fakes in tests, fulfil."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from stream.model.attempts import Answer, HttpRequest
from stream.model.events import DeadLetter, Event
from stream.model.records import RecordBatch, TopicPartition
from stream.model.source import CommitOffset, CommitResult, DataLoss, StartedPartition

Offsets = Mapping[TopicPartition, CommitOffset]
OnDrained = Callable[[Offsets], None]
Build = Callable[[Event], HttpRequest]
"""Makes the request that carries an event to one workflow."""


class Cancel(Protocol):
    """Something under way that can be given up, such as a timer."""

    def cancel(self) -> None:
        """Give it up: its callback is not called."""


class Clock(Protocol):
    """Time. Only edges and wiring read it; everything else is handed `now`."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes backwards."""

    def wall(self) -> float:
        """Unix time in seconds."""


class Scheduler(Clock, Protocol):
    """Time that can also be waited for; the event loop's in production, one that jumps in tests."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call back at monotonic time `when` (seconds), from the event loop."""


class Validator(Protocol):
    """Checks parsed events against the schemas."""

    def fault(self, type_: str, payload: Mapping[str, Any]) -> str | None:
        """None when `payload` is a valid event of `type_`, else a sentence naming the field, never its value."""


class ValueReader(Protocol):
    """Reads values that were written with one schema."""

    def read(self, body: bytes, start: int) -> bytes:
        """The value that begins at `start`, as JSON. Raises ValueError with what is wrong, quoting nothing of it."""


class Schemas(Protocol):
    """The schemas of a registry, by their ids. Never blocks."""

    def reader(self, schema_id: int) -> ValueReader | str | None:
        """How values of this schema are read, or why they never can be; None: not known yet."""

    def fetch(self, schema_id: int, on_fetched: Callable[[str], None]) -> None:
        """Ask the registry; `on_fetched` is called once, from the event loop.

        Its argument is empty once `reader` knows, else the reason why the registry does not answer.
        """


class SourceEvents(Protocol):
    """What the owner of the Kafka consumer tells the engine; called on the event loop, in order."""

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        """Partitions were granted."""

    def on_records(self, batch: RecordBatch) -> None:
        """Records were polled."""

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        """The partition's end was reached: nothing lies between the last record and `position`."""

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Partitions are to be given back; `on_drained` is called once with what is to be committed."""

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        """Partitions are gone already; nothing of theirs may be committed."""

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        """A commit was answered."""

    def on_data_loss(self, loss: DataLoss) -> None:
        """Records that the group had not read are gone from the topic."""

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        """Ids of the topics of owned partitions that were not known when they were granted."""

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        """Whether events of the partition, received in this epoch, are not done with."""


class Source(Protocol):
    """Commands to the owner of the Kafka consumer. None blocks; results come back as calls on the engine."""

    def commit(self, offsets: Offsets) -> None:
        """Commit asynchronously; answered by `SourceEvents.on_committed`."""

    def set_intake(self, is_open: bool) -> None:
        """False: hand over no records until True. Rebalances are still served."""

    def set_stopped(self, tps: Collection[TopicPartition]) -> None:
        """Exactly these of the owned partitions are not read until the next call."""


Attempt = Any
"""Whatever the caller tells its attempts apart by; a sender compares it by identity, and gives it back."""
AttemptResult = tuple[Attempt, Answer, float]
"""(attempt, its answer, seconds that it took)."""
OnResults = Callable[[Sequence[AttemptResult]], None]
"""Called from the event loop with the results since the last call."""


class Sender(Protocol):
    """Sends requests to one workflow. Retries, order and limits are not its business."""

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Start one attempt; `on_results` gets its result exactly once, later, unless it is cancelled.

        Before that it may get `RESENT` once: the request was sent a second time, the attempt continues. Of all attempts
        of one sender `on_results` is the same.
        """

    def cancel(self, attempt: Attempt) -> None:
        """Close its connection: its callback is not called. No effect once it was answered."""

    async def close(self) -> None:
        """Close every connection."""


class DeadLetters(Protocol):
    """Writes to the dead-letter topic."""

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Produce one letter; `on_written` is called once, from the event loop.

        Its argument is empty once the broker acknowledged, else the reason why it did not.
        """


class Logger(Protocol):
    """Receives changes of state as sentences, for people."""

    def info(self, sentence: str, /, **fields: object) -> None:
        """Something a person may want to know."""

    def warning(self, sentence: str, /, **fields: object) -> None:
        """Something that needs a look; repeated ones are limited."""

    def error(self, sentence: str, /, **fields: object) -> None:
        """Something that was lost or has stopped."""

"""An engine that only remembers what the owner of a Kafka consumer tells it, and a loop for it to be told on."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from stream.model.commit_map import CommitMap, encode
from stream.model.ports import OnDrained
from stream.model.records import Record, RecordBatch, TopicPartition
from stream.model.source import CommitOffset, CommitResult, DataLoss, StartedPartition

LOOK_EVERY_S = 0.1


class RecordingSource:
    """Fulfils `SourceEvents`. Takes every record for done at once, so a drain commits all that was received."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """Names of the calls, in order, without `on_`."""
        self.started: list[StartedPartition] = []
        self.epochs: dict[TopicPartition, int] = {}
        """Partitions held now."""
        self.batches: list[RecordBatch] = []
        self.positions: dict[TopicPartition, int] = {}
        """Next offset of each partition held now: past the last record, or the end that was told."""
        self.ends: dict[TopicPartition, int] = {}
        """The last end that was told."""
        self.revoked: list[TopicPartition] = []
        self.lost: list[TopicPartition] = []
        self.results: list[CommitResult] = []
        self.losses: list[DataLoss] = []
        self.topic_ids: dict[TopicPartition, str] = {}
        """Ids of the topics, told with the grant or after it."""
        self.is_open = False
        """Whether every partition has open events."""
        self.drains: list[OnDrained] = []
        """Drains that wait for the test, while `holds_drains`."""
        self.holds_drains = False
        self.before_records: Callable[[RecordBatch], None] = lambda _batch: None

    @property
    def records(self) -> list[Record]:
        """Every record, in the order it came."""
        return [record for batch in self.batches for record in batch.records]

    def offsets(self, partition: int) -> list[int]:
        """Offsets received of a partition, in order."""
        return [record.offset for record in self.records if record.partition == partition]

    def due(self) -> dict[TopicPartition, CommitOffset]:
        """What is to be committed now, with the topics' ids where they are known."""
        return {tp: CommitOffset(epoch, self.positions[tp], self._metadata(tp)) for tp, epoch in self.epochs.items()}

    def _metadata(self, tp: TopicPartition) -> str:
        return encode(CommitMap(self.positions[tp], topic_id=self.topic_ids.get(tp, "")), 100)

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        """Hold them."""
        self.calls.append("assigned")
        self.started += started
        for one in started:
            self.epochs[one.tp] = one.epoch
            self.topic_ids[one.tp] = one.topic_id
            self.positions[one.tp] = one.start

    def on_records(self, batch: RecordBatch) -> None:
        """Keep the batch, if its epoch is the present one."""
        self.calls.append("records")
        self.before_records(batch)
        if self.epochs.get(batch.tp) == batch.epoch:
            self.batches.append(batch)
            self.positions[batch.tp] = batch.records[-1].offset + 1

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        """Keep the end."""
        if self.epochs.get(tp) == epoch:
            self.ends[tp] = position
            self.positions[tp] = max(self.positions[tp], position)

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Answer with everything received, now or when the test says so."""
        self.calls.append("revoked")
        self.revoked += tps
        due = self.due()
        held = {tp: due[tp] for tp in tps if tp in due}
        for tp in tps:
            self.epochs.pop(tp, None)
        if self.holds_drains:
            self.drains.append(lambda _offsets: on_drained(held))
        else:
            on_drained(held)

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        """They are gone."""
        self.calls.append("lost")
        self.lost += tps
        for tp in tps:
            self.epochs.pop(tp, None)

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        """Keep the answers."""
        self.calls.append("committed")
        self.results += results

    def on_data_loss(self, loss: DataLoss) -> None:
        """Keep it."""
        self.calls.append("data_loss")
        self.losses.append(loss)

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        """Keep them."""
        self.calls.append("topic_ids")
        self.topic_ids |= topic_ids

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        """Nothing is ever open, unless the test says so."""
        return self.is_open and self.epochs.get(tp) == epoch


class ThreadLoop:
    """A thread that runs what is posted, in order; tests wait for what that brings about."""

    def __init__(self) -> None:
        self._posted: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="test loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._posted.put(None)
        self._thread.join()

    def post(self, function: Callable[..., None], *args: Any) -> None:
        """Run a function on the thread, later."""
        self._posted.put((function, args))

    def wait_for(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Wait until it holds, looked at after each posted function, and often. False: it did not in time."""
        give_up_at = time.monotonic() + timeout_s
        with self._changed:
            while not (holds := self._changed.wait_for(condition, LOOK_EVERY_S)) and time.monotonic() < give_up_at:
                pass
            return bool(holds)

    def _run(self) -> None:
        while (job := self._posted.get()) is not None:
            function, args = job
            with self._changed:
                try:
                    function(*args)
                finally:
                    self._changed.notify_all()

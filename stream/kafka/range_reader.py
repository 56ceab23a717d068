"""Reads ranges of partitions beside every consumer group: assigned, never joined, from an offset to another."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from stream.kafka.batches import Polled
from stream.kafka.client_config import KafkaPolicy, Options
from stream.kafka.consumer_thread import ConsumerThread
from stream.kafka.progress import CommittedProgress, NothingKept, ProgressKeeper
from stream.kafka.rebalance import Post
from stream.kafka.start_offsets import ResolvedStart
from stream.kafka.topic_ids import WAIT_S
from stream.model.commit_map import topic_id_in
from stream.model.errors import StreamError
from stream.model.ports import Logger, Offsets, SourceEvents
from stream.model.records import TopicPartition
from stream.model.source import CommitOutcome, CommitResult

LOOK_AGAIN_S = 0.005
"""Between two looks whether there is room."""

Later = Callable[[float, Callable[[], None]], object]
"""Runs a function on the event loop after some seconds."""


class RangeReader(ConsumerThread):
    """A `Source` that reads each partition from its start to its end in `until`, and stops there.

    The group of `policy` has no members; commits to it go through as long as it has none. Without `kept` nothing is
    committed, and the engine still sees it as committed. `has_room` is asked on the event loop before each batch
    is handed to the engine; a batch without room waits, and nothing more is read.
    """

    _may_restart = False

    def __init__(
        self,
        policy: KafkaPolicy,
        config: Options,
        starts: Sequence[ResolvedStart],
        until: Mapping[TopicPartition, int],
        kept: CommittedProgress | None,
        post: Post,
        later: Later,
        logger: Logger,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(policy, config, post, logger, beat=lambda: None)
        self._has_room = has_room
        self._starts = starts
        self._until = until
        self._kept = kept
        self._options = config
        self._last: Offsets = {}
        self._later = later
        self._waiting: deque[Polled] = deque()
        """Read, and not handed over yet; touched on the event loop alone."""

    def commit(self, offsets: Offsets) -> None:
        """Send a commit at once, or act as if."""
        self._progress.commit(offsets)

    def _deliver(self, polled: Polled) -> None:
        self._waiting.append(polled)
        if len(self._waiting) == 1:
            self._hand_on()

    def _hand_on(self) -> None:
        """Unlike the engine's own limits this pauses no partition, which would drop what was fetched ahead of it."""
        while self._waiting and not self._stop_asked:
            if not self._has_room():
                self._later(LOOK_AGAIN_S, self._hand_on)
                return
            super()._deliver(self._waiting.popleft())

    # The thread.

    def _wire(self, events: SourceEvents) -> None:
        super()._wire(events)
        self._progress: ProgressKeeper | NothingKept
        if self._kept is None:
            self._progress = NothingKept(self._tell_committed)
        else:
            self._progress = ProgressKeeper(self._options, self._kept, self._tell_committed, self._break)

    def _enter(self) -> None:
        ids = self._topics.ids
        ids.ask({start.tp.topic for start in self._starts})
        ids.wait(WAIT_S)
        known = ids.known
        starts = [
            replace(start, topic_id=topic_id_in(start.metadata, start.offset) or known.get(start.tp.topic, ""))
            for start in self._starts
        ]
        self._assignment.grant(self._consumer, starts)
        self._begun.tell(starts)

    def _go_on(self) -> None:
        self._watch()

    def _leave(self) -> None:
        self._progress.close()
        super()._leave()

    def _is_over(self) -> bool:
        return super()._is_over() and (not self._progress.is_waiting or time.monotonic() >= self._close_at)

    def _commit_for_stop(self, offsets: Offsets) -> None:
        self._last = offsets
        if offsets:
            self._progress.commit(offsets)
        super()._commit_for_stop({})

    def _tell_committed(self, results: Sequence[CommitResult]) -> None:
        """From any thread."""
        self._post(self._events.on_committed, results)
        again = {r.tp: self._last[r.tp] for r in results if r.outcome is CommitOutcome.RETRIED and r.tp in self._last}
        if again:  # the engine has ended, and will not ask again
            self._progress.commit(again)

    def _break(self, error: StreamError) -> None:
        """From the thread that keeps the progress."""
        self._failure = self._failure or error

    def _within(self, polled: Polled) -> Polled:
        """What lies before the ends; a partition at its end is no longer fetched."""
        ended = {}
        for batch in polled.batches:
            until = self._until[batch.tp]
            if batch.records[-1].offset >= until - 1:
                batch.records = [record for record in batch.records if record.offset < until]
                ended[batch.tp] = (batch.tp, batch.epoch, until)
        finished = self._assignment.finished
        polled.batches = [batch for batch in polled.batches if batch.records and batch.tp not in finished]
        for tp, epoch, position in polled.ends:
            if position >= self._until[tp]:
                ended[tp] = (tp, epoch, self._until[tp])
        polled.ends = [end for end in polled.ends if end[0] not in ended]
        polled.ends += [end for end in ended.values() if end[0] not in finished]
        self._assignment.finish(self._consumer, ended.keys() - finished)
        return polled

"""Partitions of which nothing comes although they are not read to their end: the client has ceased to fetch them."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Consumer

from stream.kafka.assignment import Assignment
from stream.kafka.batches import Polled
from stream.model.amounts import listed
from stream.model.ports import Logger
from stream.model.records import TopicPartition

SILENT_S = 30.0
"""How long polls wait in vain before a partition is fetched anew. Its broker would have sent records, or the end of the
partition, within `fetch.wait.max.ms`, unless it is away or throttles this client."""
LONGEST_S = 600.0
LOOK_EVERY_S = 1.0
LISTED = 20
"""Partitions that the line names."""


@dataclass(slots=True)
class _Silence:
    epoch: int
    since: float
    """How long polls had waited in vain when the partition brought something last, or was fetched anew."""
    after_s: float
    """How long a silence is accepted; doubled at each attempt in vain."""


class FetchWatch:
    """Counts the time that polls wait in vain, and fetches anew what is silent for too long of it.

    What waits in the client's queue is not silent, however long the engine takes nothing.
    """

    def __init__(self, assignment: Assignment, logger: Logger, silent_s: float = SILENT_S) -> None:
        self.silent_s = silent_s
        self._assignment = assignment
        self._logger = logger
        self._idle_s = 0.0
        self._look_at = 0.0
        self._silences: dict[TopicPartition, _Silence] = {}

    def note_idle(self, seconds: float) -> None:
        """A poll waited for so long, and there was nothing."""
        if not self._assignment.is_paused:
            self._idle_s += seconds

    def note_polled(self, polled: Polled) -> None:
        """This came."""
        for batch in polled.batches:
            self._silences.pop(batch.tp, None)
        for tp, _, _ in polled.ends:
            self._silences.pop(tp, None)

    def go_on(self, consumer: Consumer) -> None:
        """Between two polls: fetch anew what is silent for too long."""
        if self._idle_s < self._look_at:
            return
        self._look_at = self._idle_s + min(LOOK_EVERY_S, self.silent_s / 2)
        silent = self._silent()
        if silent:
            self._assignment.read_anew(consumer, silent)
            self._tell(silent)

    def _silent(self) -> list[TopicPartition]:
        held = self._assignment
        passive = held.at_end | held.stopped | held.not_read | held.finished
        expected = {tp: epoch for tp, epoch in held.epochs.items() if tp not in passive}
        earlier, self._silences = self._silences, {}
        silent = []
        for tp, epoch in expected.items():
            known = earlier.get(tp)
            if known is None or known.epoch != epoch:
                known = _Silence(epoch, self._idle_s, self.silent_s)
            elif self._idle_s - known.since >= known.after_s:
                silent.append(tp)
                known = _Silence(epoch, self._idle_s, min(known.after_s * 2, LONGEST_S))
            self._silences[tp] = known
        return silent

    def _tell(self, silent: list[TopicPartition]) -> None:
        self._logger.warning(
            "Partitions brought neither records nor their end for a while; they are fetched anew.",
            partitions=listed([f"{tp.topic}:{tp.partition}" for tp in sorted(silent)], LISTED),
        )

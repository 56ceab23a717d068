"""Dead letters on their way: written until the broker acknowledges, since their offset stays open until then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stream.engine.partition import PartitionState
from stream.engine.steps import Steps
from stream.model.events import DeadLetter
from stream.model.ports import DeadLetters, Logger
from stream.model.statistics import EngineStats

REWRITE_AFTER_S = 1.0


class DeadLetterWriter:
    """Hands letters to the dead-letter topic, again and again until each is safe there."""

    def __init__(self, topic: DeadLetters, steps: Steps, stats: EngineStats, logger: Logger) -> None:
        self._topic = topic
        self._steps = steps
        self._stats = stats
        self._logger = logger

    def write(self, letter: DeadLetter, partition: PartitionState, on_safe: Callable[[], None]) -> None:
        """Write one letter; `on_safe` is called once it is acknowledged, unless the partition is closed by then."""
        partition.letters += 1
        self._topic.write(letter, self._steps.entry(self._on_written, letter, partition, on_safe))

    def _on_written(
        self, letter: DeadLetter, partition: PartitionState, on_safe: Callable[[], None], error: str
    ) -> None:
        partition.letters -= 1
        self._steps.touched.partition(partition)
        if error:
            self._stats.dead_letter_writes["failed"] += 1
            self._on_failed(letter, partition, on_safe, error)
        else:
            self._stats.dead_letter_writes["ok"] += 1
            if not partition.is_closed:
                on_safe()

    def _on_failed(
        self, letter: DeadLetter, partition: PartitionState, on_safe: Callable[[], None], error: str
    ) -> None:
        self._logger.warning(
            "A dead letter could not be written; its offset stays open and the write is tried again.",
            topic=partition.tp.topic,
            partition=partition.tp.partition,
            offset=letter.record.offset,
            error=error,
        )
        if partition.is_active:
            again = partial(self._write_again, letter, partition, on_safe)
            self._steps.call_at(self._steps.monotonic() + REWRITE_AFTER_S, again)

    def _write_again(self, letter: DeadLetter, partition: PartitionState, on_safe: Callable[[], None]) -> None:
        if partition.is_active:
            self.write(letter, partition, on_safe)

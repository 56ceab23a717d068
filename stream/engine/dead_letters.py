"""Dead letters on their way: written until the broker acknowledges, since their offset stays open until then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stream.engine.partition import Phase, Tenure
from stream.model.events import DeadLetter
from stream.model.ports import DeadLetters, Logger, Scheduler
from stream.model.statistics import EngineStats

REWRITE_AFTER_S = 1.0


class LetterDesk:
    """Hands letters to the dead-letter topic and tells when one is safe there."""

    def __init__(self, topic: DeadLetters, clock: Scheduler, stats: EngineStats, logger: Logger) -> None:
        self.on_idle: Callable[[Tenure], None] = lambda _tenure: None
        self._topic = topic
        self._clock = clock
        self._stats = stats
        self._logger = logger

    def write(self, letter: DeadLetter, tenure: Tenure, on_safe: Callable[[], None]) -> None:
        """Write one letter; `on_safe` is called once it is acknowledged, unless the tenure is over by then."""
        tenure.letters += 1
        self._topic.write(letter, partial(self._on_written, letter, tenure, on_safe))

    def _on_written(self, letter: DeadLetter, tenure: Tenure, on_safe: Callable[[], None], error: str) -> None:
        tenure.letters -= 1
        if error:
            self._stats.dead_letter_writes["failed"] += 1
            self._on_failed(letter, tenure, on_safe, error)
        else:
            self._stats.dead_letter_writes["ok"] += 1
            if tenure.phase is not Phase.CLOSED:
                on_safe()
        if tenure.phase is Phase.DRAINING and tenure.is_idle:
            self.on_idle(tenure)

    def _on_failed(self, letter: DeadLetter, tenure: Tenure, on_safe: Callable[[], None], error: str) -> None:
        self._logger.warning(
            "A dead letter could not be written; its offset stays open and the write is tried again.",
            topic=tenure.tp.topic,
            partition=tenure.tp.partition,
            offset=letter.record.offset,
            error=error,
        )
        if tenure.phase is Phase.ACTIVE:
            again = partial(self._write_again, letter, tenure, on_safe)
            self._clock.call_at(self._clock.monotonic() + REWRITE_AFTER_S, again)

    def _write_again(self, letter: DeadLetter, tenure: Tenure, on_safe: Callable[[], None]) -> None:
        if tenure.phase is Phase.ACTIVE:
            self.write(letter, tenure, on_safe)

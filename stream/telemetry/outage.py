"""Whether Kafka answers a process, and what the log says while it does not: at first, once a minute, at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from stream.model.ports import Clock, Logger
from stream.model.source import SILENT_AFTER_S, Contact
from stream.model.statistics import EngineStats
from stream.model.timeparse import format_time
from stream.telemetry.clock import SystemClock

REMIND_EVERY_S = 60.0
LOOK_EVERY_S = 1.0


class KafkaOutage:
    """One for each process, however many groups it has: they share the brokers, and the lines."""

    def __init__(self, logger: Logger, clock: Clock) -> None:
        self.is_on = False
        """Lines of the Kafka client about its connections are not written meanwhile; their last is `cause`."""
        self.cause = ""
        self._logger = logger
        self._clock = clock
        self._began = clock.wall()
        self._remind_at = 0.0

    def look(self, contacts: Iterable[Contact]) -> None:
        """Compare with the last look; to be called every second or so, from the event loop."""
        away = [contact.at or self._began for contact in contacts if not contact.is_up]
        now = self._clock.monotonic()
        if not away:
            self._end()
        elif not self.is_on and self._clock.wall() - min(away) > SILENT_AFTER_S:
            self.is_on, self._began, self._remind_at = True, min(away), now + REMIND_EVERY_S
            self._tell("Kafka is unreachable: no broker answers. Retrying; events wait on the topic.")
        elif self.is_on and now >= self._remind_at:
            self._remind_at = now + REMIND_EVERY_S
            self._tell("Kafka is still unreachable; retrying.", away=self._length())

    def _tell(self, sentence: str, **more: object) -> None:
        cause = {"cause": self.cause} if self.cause else {}
        self._logger.warning(sentence, since=format_time(int(self._began * 1000)), **more, **cause)

    def _end(self) -> None:
        if self.is_on:
            self._logger.info(f"Kafka answers again; away for {self._length()}.")
        self.is_on, self.cause, self._began = False, "", self._clock.wall()

    def _length(self) -> str:
        seconds = max(0, round(self._clock.wall() - self._began))
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        if hours:
            return f"{hours} h {minutes} min"
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ProcessContact:
    """Over the numbers of every engine, which may come and go."""

    def __init__(self, all_stats: Sequence[EngineStats], logger: Logger) -> None:
        self._all_stats = all_stats
        self._clock = SystemClock()
        self.outage = KafkaOutage(logger, self._clock)

    def note_answer(self, is_answered: bool) -> None:
        """Before the engines run: Kafka answered a question, or no broker did."""
        now = self._clock.wall()
        for stats in self._all_stats:
            stats.note_contact(Contact.answered(now) if is_answered else Contact.silent(now))

    async def follow(self) -> None:
        """Log when an outage begins, lasts and ends, until cancelled."""
        while True:
            self.outage.look([stats.contact for stats in self._all_stats])
            await asyncio.sleep(LOOK_EVERY_S)

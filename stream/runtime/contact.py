"""Whether Kafka answers a process, whatever it is doing: waiting for the first answers, or running its engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from stream.model.source import Contact
from stream.model.statistics import EngineStats
from stream.telemetry.clock import SystemClock
from stream.telemetry.logs import StructlogLogger
from stream.telemetry.outage import KafkaOutage

LOOK_EVERY_S = 1.0


class ProcessContact:
    """Over the numbers of every engine, which may come and go."""

    def __init__(self, all_stats: Sequence[EngineStats], logger: StructlogLogger) -> None:
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

"""Asks Kafka now and then how far the topics reach: for the lag, and for the end of an `--until-end` run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from stream.core.errors import SourceError, UnreachableError
from stream.core.model import TopicPartition
from stream.core.ports import Journal
from stream.core.until_end import unfinished
from stream.kafka.client_config import Options
from stream.kafka.reader import OffsetReader
from stream.pipeline.engine import Engine

LAG_EVERY_S = 2.0
END_EVERY_S = 0.25
ASK_TIMEOUT_S = 3.0
"""How long one question may take; a stop waits for it."""

T = TypeVar("T")
Ranges = dict[TopicPartition, tuple[int, int]]


class OffsetWatch:
    """Two tasks around one engine; they end when cancelled."""

    def __init__(self, engine: Engine, config: Options, journal: Journal) -> None:
        self._engine = engine
        self._config = config
        self._journal = journal
        self._lock = asyncio.Lock()
        """The reader is used by one thread at a time."""
        self._reader: OffsetReader | None = None

    async def follow_ends(self) -> None:
        """Keep the end offset of each owned partition current."""
        while True:
            if asked := sorted(self._engine.owned()):
                ends = await self._ask(partial(_ends, asked))
                self._engine.stats.ends |= {tp: ends[tp] for tp in ends.keys() & self._engine.owned()}
            await asyncio.sleep(LAG_EVERY_S)

    async def until_end(self, ranges: Ranges) -> None:
        """Return once every partition is done up to its end in `ranges`, by whichever member of the group."""
        while True:
            halted = dict.fromkeys(self._engine.halted(), 2**63)
            left = unfinished(ranges, self._engine.settled_up_to(), halted)
            elsewhere = left - self._engine.owned()
            if left and left == elsewhere:
                committed = await self._ask(partial(_committed, elsewhere))
                left = unfinished({tp: ranges[tp] for tp in left}, committed)
            if not left:
                return
            await asyncio.sleep(END_EVERY_S)

    async def until_all_halted(self) -> None:
        """Return once partitions are owned and records of each of them were lost, so that none is consumed."""
        while True:
            halted = self._engine.halted()
            if halted and halted == self._engine.owned():
                return
            await asyncio.sleep(LAG_EVERY_S)

    async def close(self) -> None:
        """Close the client."""
        async with self._lock:
            if self._reader is not None:
                await asyncio.to_thread(self._reader.close)
                self._reader = None

    async def _ask(self, question: Callable[[OffsetReader], dict[TopicPartition, T]]) -> dict[TopicPartition, T]:
        async with self._lock:
            if self._reader is None:
                self._reader = await asyncio.to_thread(OffsetReader, self._config)
            try:
                return await asyncio.to_thread(question, self._reader)
            except UnreachableError:  # told once for the whole process
                return {}
            except SourceError as error:
                self._journal.warning("Kafka does not tell the offsets for now.", error=str(error))
                return {}


def _ends(tps: Collection[TopicPartition], reader: OffsetReader) -> dict[TopicPartition, int]:
    return reader.some_ends(tps, ASK_TIMEOUT_S)


def _committed(tps: Collection[TopicPartition], reader: OffsetReader) -> dict[TopicPartition, int]:
    return reader.committed(sorted(tps), ASK_TIMEOUT_S)

"""Asks Kafka now and then how far the topics reach: for the lag, and for the end of an `--until-end` run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

from stream.engine.engine import Engine
from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.reader import OffsetReader
from stream.model.errors import SourceError, UnreachableError
from stream.model.ports import Logger
from stream.model.records import TopicPartition
from stream.model.source import Contact
from stream.telemetry.clock import SystemClock

LAG_EVERY_S = 2.0
SHARE_OF_TIME = 0.1
"""Of the time that goes into asking for the ends, at most: with thousands of partitions an answer takes seconds."""
END_EVERY_S = 0.25
ASK_TIMEOUT_S = 3.0
"""How long one question may take; a stop waits for it."""

OFFSETS_TOPIC = "__consumer_offsets"

T = TypeVar("T")
Ranges = dict[TopicPartition, tuple[int, int]]


class OffsetWatch:
    """Two tasks around one engine; they end when cancelled."""

    def __init__(self, engine: Engine, kafka: KafkaPolicy, logger: Logger) -> None:
        self._engine = engine
        self._kafka = kafka
        self._logger = logger
        self._lock = asyncio.Lock()
        """The reader is used by one thread at a time."""
        self._reader: OffsetReader | None = None

    async def follow_ends(self) -> None:
        """Keep the end offset of each owned partition current; without any, ask whether Kafka is there at all."""
        while True:
            began = time.monotonic()
            if asked := sorted(self._engine.owned()):
                ends = await self._ask(partial(_ends, asked))
                self._engine.stats.ends |= {tp: ends[tp] for tp in ends.keys() & self._engine.owned()}
            else:
                await self._ask(partial(_is_there, self._kafka.topics[0]))
            await asyncio.sleep(max(LAG_EVERY_S, (time.monotonic() - began) / SHARE_OF_TIME))

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
        """Return once every partition of the topics is owned here, and halted.

        While other members of the group own some, this one stays: if it left, the halted partition would go to the
        next, and back again after the restart, with a rebalance each time.
        """
        while True:
            halted = self._engine.halted()
            if halted and halted == self._engine.owned() and await self._is_all(halted):
                return
            await asyncio.sleep(LAG_EVERY_S)

    async def _is_all(self, tps: set[TopicPartition]) -> bool:
        found = await self._ask(partial(_partitions, self._kafka))
        return bool(found) and found.keys() <= tps

    async def close(self) -> None:
        """Close the client."""
        async with self._lock:
            if self._reader is not None:
                await asyncio.to_thread(self._reader.close)
                self._reader = None

    async def _ask(self, question: Callable[[OffsetReader], dict[TopicPartition, T]]) -> dict[TopicPartition, T]:
        async with self._lock:
            if self._reader is None:
                self._reader = await asyncio.to_thread(OffsetReader, reader_config(self._kafka))
            try:
                answer = await asyncio.to_thread(question, self._reader)
            except SourceError as error:
                if (
                    isinstance(error, UnreachableError) or not self._engine.stats.contact.is_up
                ):  # logged once for the whole process
                    return {}
                self._logger.warning("Kafka does not tell the offsets for now.", error=str(error))
                return {}
            self._engine.stats.note_contact(Contact.answered(SystemClock().wall()))
            return answer


def _is_there(topic: str, reader: OffsetReader) -> dict[TopicPartition, None]:
    reader.require_answer(OFFSETS_TOPIC if topic.startswith("^") else topic, ASK_TIMEOUT_S)
    return {}


def _ends(tps: Collection[TopicPartition], reader: OffsetReader) -> dict[TopicPartition, int]:
    return reader.ends(tps, ASK_TIMEOUT_S, may_lack=True)


def _partitions(kafka: KafkaPolicy, reader: OffsetReader) -> dict[TopicPartition, None]:
    found = reader.partitions(kafka.topics, ASK_TIMEOUT_S)
    return {tp: None for tp in found if tp.topic not in kafka.hidden_topics}


def _committed(tps: Collection[TopicPartition], reader: OffsetReader) -> dict[TopicPartition, int]:
    return reader.committed(sorted(tps), ASK_TIMEOUT_S)


def unfinished(
    ranges: Mapping[TopicPartition, tuple[int, int]], *reached: Mapping[TopicPartition, int]
) -> set[TopicPartition]:
    """Partitions that no member has brought to the end seen at start.

    `ranges` are (first offset, end) as they were then; an empty one is done. Each of `reached` maps partitions to
    an offset below which nothing is open: this process's own watermarks, or what the group has committed.
    """
    return {
        tp
        for tp, (first, end) in ranges.items()
        if first < end and not any(offsets.get(tp, -1) >= end for offsets in reached)
    }

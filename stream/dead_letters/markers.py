"""Writes the records that end letters, each again and again until it is acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from stream.kafka.client_config import KafkaPolicy, marker_config, producer_config
from stream.kafka.dead_letters import DeadLetterTopic, Written
from stream.model.letters import Letter, marker_headers
from stream.model.timeparse import format_wall
from stream.runtime.engine_runtime import poster

AGAIN_AFTER_S = 1.0


@contextmanager
def opened_marks(policy: KafkaPolicy, topic: str) -> Iterator[tuple[MarkerWriter, DeadLetterTopic]]:
    """Marks on the running event loop, and the topic for letters themselves, which are written one by one."""
    post = poster(asyncio.get_running_loop())
    batched = DeadLetterTopic(marker_config(policy), topic, policy.group, 0, post)
    one_by_one = DeadLetterTopic(producer_config(policy), topic, policy.group, 0, post)
    try:
        yield MarkerWriter(batched, one_by_one), one_by_one
    finally:
        batched.close()
        one_by_one.close()


class MarkerWriter:
    """On the running event loop."""

    def __init__(self, batched: DeadLetterTopic, one_by_one: DeadLetterTopic) -> None:
        """What `batched` could not write goes `one_by_one`: the topic's limit is for a whole batch."""
        self.outstanding = 0
        """Records that are not acknowledged yet."""
        self.outstanding_of: Counter[str] = Counter()
        """The same, by the workflow that took the event."""
        self.listeners: list[Callable[[], None]] = []
        """Told of each acknowledgement."""
        self.last_error = ""
        self._batched = batched
        self._one_by_one = one_by_one
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def end(self, letter: Letter, reason: str, workflow: str = "", *, partly: bool = False) -> None:
        """This letter is done with, by this workflow's doing; `partly`: as far as the workflow goes.

        There is a record for each partition that has a copy, since order is kept within partitions only.
        """
        identity = letter.identity._replace(workflow=workflow) if partly else letter.identity
        headers = marker_headers(identity, reason, format_wall(time.time()), letter.timestamp_ms)
        for place in {letter.at, *letter.elsewhere}:
            self.outstanding += 1
            self.outstanding_of[workflow] += 1
            written = Written(place.partition, letter.key, None, headers)
            self._write(self._batched, written, workflow)

    async def fewer_than(self, count: int, timeout_s: float | None = None) -> bool:
        """Wait until fewer than `count` are outstanding; whether that came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.outstanding >= count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _write(self, topic: DeadLetterTopic, written: Written, workflow: str) -> None:
        topic.put(written, partial(self._on_written, written, workflow))

    def _on_written(self, written: Written, workflow: str, error: str) -> None:
        if error:
            self.last_error = error
            self._loop.call_later(AGAIN_AFTER_S, self._write, self._one_by_one, written, workflow)
            return
        self.outstanding -= 1
        self.outstanding_of[workflow] -= 1
        self._changed.set()
        for on_written in self.listeners:
            on_written()

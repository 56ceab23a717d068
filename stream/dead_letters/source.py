"""Hands letters to the engine of one workflow, in the order of their events, as far as there is room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Iterable

from stream.model.ports import Offsets
from stream.model.records import RecordId, TopicPartition

AT_ONCE = 500


class RedriveSource:
    """Fulfils `Source`: what would come from the topic comes from the letters instead. Nothing is ever committed."""

    def __init__(self, places: Iterable[RecordId]) -> None:
        self._waiting: dict[TopicPartition, deque[RecordId]] = {}
        for place in sorted(places):
            self._waiting.setdefault(TopicPartition(place.topic, place.partition), deque()).append(place)
        self._is_open = True
        self._stopped: frozenset[TopicPartition] = frozenset()
        self.changed = asyncio.Event()
        """There may be room again."""

    @property
    def starts(self) -> dict[TopicPartition, int]:
        """The lowest offset that waits, per partition."""
        return {tp: places[0].offset for tp, places in self._waiting.items()}

    @property
    def is_empty(self) -> bool:
        """Whether everything was handed over."""
        return not self._waiting

    def take(self) -> list[RecordId]:
        """The next places, all of one partition; none while there is no room. Partitions take turns."""
        if not self._is_open:
            return []
        for tp in list(self._waiting):
            if tp in self._stopped:
                continue
            waiting = self._waiting.pop(tp)
            taken = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            if waiting:
                self._waiting[tp] = waiting
            return taken
        return []

    def commit(self, offsets: Offsets) -> None:
        """The letters' own markers say what is done."""

    def set_intake(self, is_open: bool) -> None:
        """Whether the engine takes events."""
        self._is_open = is_open
        self.changed.set()

    def set_stopped(self, tps: Collection[TopicPartition]) -> None:
        """Whose events it does not take."""
        self._stopped = frozenset(tps)
        self.changed.set()

"""The engines' numbers for a scrape: as they stand between two steps of the event loop, so that they balance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from copy import deepcopy
from typing import overload

from stream.model.statistics import EngineStats

ANSWER_WITHIN_S = 1.0
"""A scrape is answered while the event loop is stuck, too: then with the numbers as they stand."""


class MonotonicStats(Sequence[EngineStats]):
    """Copies of `engines`, made anew on the event loop each time they are walked; from any other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, engines: Sequence[EngineStats]) -> None:
        self._loop = loop
        self._engines = engines

    def __iter__(self) -> Iterator[EngineStats]:
        answer: Future[list[EngineStats]] = Future()
        try:
            self._loop.call_soon_threadsafe(lambda: answer.set_result(deepcopy(list(self._engines))))
            return iter(answer.result(ANSWER_WITHIN_S))
        except (TimeoutError, RuntimeError):  # stuck, or closed
            return iter(self._engines)

    def __len__(self) -> int:
        return len(self._engines)

    @overload
    def __getitem__(self, index: int) -> EngineStats: ...
    @overload
    def __getitem__(self, index: slice) -> list[EngineStats]: ...
    def __getitem__(self, index: int | slice) -> EngineStats | list[EngineStats]:
        return list(self)[index]

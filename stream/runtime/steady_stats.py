"""The engines' numbers for a scrape: as they stand between two steps of the event loop, so that they balance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import overload

from stream.model.statistics import EngineStats
from stream.runtime.loop_answer import ask_loop


class MonotonicStats(Sequence[EngineStats]):
    """Copies of `engines`, made anew on the event loop each time they are walked; from any other thread.

    While the event loop is stuck they are the numbers as they stand.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, engines: Sequence[EngineStats]) -> None:
        self._loop = loop
        self._engines = engines

    def __iter__(self) -> Iterator[EngineStats]:
        copies = ask_loop(self._loop, lambda: deepcopy(list(self._engines)))
        return iter(self._engines if copies is None else copies)

    def __len__(self) -> int:
        return len(self._engines)

    @overload
    def __getitem__(self, index: int) -> EngineStats: ...
    @overload
    def __getitem__(self, index: slice) -> list[EngineStats]: ...
    def __getitem__(self, index: int | slice) -> EngineStats | list[EngineStats]:
        return list(self)[index]

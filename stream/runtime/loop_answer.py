"""Questions of other threads to the event loop, which may be stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from copy import deepcopy
from threading import Lock
from typing import Generic, TypeVar, overload

from stream.model.ports import Clock
from stream.model.statistics import EngineStats

ANSWER_WITHIN_S = 1.0
FRESH_FOR_S = 1.0
T = TypeVar("T")


def ask_loop(loop: asyncio.AbstractEventLoop, question: Callable[[], T]) -> T | None:
    """What `question` returns on the event loop; None while the loop is stuck, or closed. What it raises is raised."""
    answer: Future[T] = Future()

    def look() -> None:
        try:
            answer.set_result(question())
        except Exception as error:  # a view that cannot be made is a matter of who asks, never of the engines
            answer.set_exception(error)

    try:
        loop.call_soon_threadsafe(look)
        return answer.result(ANSWER_WITHIN_S)
    except (TimeoutError, RuntimeError):
        return None


class Remembered(Generic[T]):
    """An answer that is made at most once in `FRESH_FOR_S`, however many threads ask for it."""

    def __init__(self, make: Callable[[], T], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = Lock()
        self._answer: tuple[T, float] | None = None

    def __call__(self) -> T:
        """The answer."""
        with self._lock:
            if self._answer is None or self._clock.monotonic() - self._answer[1] >= FRESH_FOR_S:
                answer = self._make()
                self._answer = answer, self._clock.monotonic()
            return self._answer[0]


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

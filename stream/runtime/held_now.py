"""What the engines of this process hold, for the endpoint's threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock

from stream.model.held import GroupHeld, Json, held_json
from stream.model.ports import Clock
from stream.runtime.engine_run import EngineRun

ANSWER_WITHIN_S = 1.0
FRESH_FOR_S = 1.0
"""However often it is asked for, the engines are looked at once in this time."""


class HeldNow:
    """Looks at the engines on the event loop; called from any other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, runs: Callable[[], Sequence[EngineRun]], clock: Clock) -> None:
        self._loop = loop
        self._runs = runs
        self._clock = clock
        self._lock = Lock()
        self._answer: Json | None = None
        self._made_at = 0.0

    def __call__(self) -> Json | None:
        """The body of /held.json; None while the event loop is stuck."""
        with self._lock:
            now = self._clock.monotonic()
            if self._answer is None or now - self._made_at >= FRESH_FOR_S:
                self._answer, self._made_at = self._look(), now
            return self._answer

    def _look(self) -> Json | None:
        answer: Future[list[GroupHeld]] = Future()
        try:
            self._loop.call_soon_threadsafe(self._collect, answer)
            return held_json(answer.result(ANSWER_WITHIN_S))
        except (TimeoutError, RuntimeError):  # stuck, or closed
            return None

    def _collect(self, answer: Future[list[GroupHeld]]) -> None:
        answer.set_result([run.world.engine.held() for run in self._runs()])

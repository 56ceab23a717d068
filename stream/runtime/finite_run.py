"""A run that ends by itself, as those of replay and redrive do: watched, and stopped by a signal or its first fault."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stream.model.errors import StreamError
from stream.model.ports import Logger
from stream.runtime.event_loop import fail_on_loop_faults

LOOK_EVERY_S = 0.1


class FiniteRun(ABC):
    """Subclasses feed engines from their own source. Everything happens on the running event loop."""

    def __init__(self, logger: Logger) -> None:
        self.is_stopping = False
        self.fault: StreamError | None = None
        """The first; raised at the end, when what was in flight has its answers."""
        self._logger = logger

    def request_stop(self) -> None:
        """Start nothing more and drain; `run` returns when that is done."""
        self.is_stopping = True
        self.drain()

    @abstractmethod
    def drain(self) -> None:
        """Start nothing more; end when what is in flight has its answers. May be called again."""

    @abstractmethod
    def fail_engines(self) -> None:
        """Send and commit nothing more: a promise was broken."""

    def fail(self, error: StreamError) -> None:
        """Stop, and raise `error` at the end, unless there was one before."""
        self.fault = self.fault or error
        self.request_stop()

    @asynccontextmanager
    async def watched(self, look: Callable[[], bool]) -> AsyncIterator[None]:
        """Fail the engines when something raises within the event loop; call `look` every LOOK_EVERY_S while true."""
        fail_on_loop_faults(self._logger, self._break)
        watch = asyncio.create_task(_watch(look))
        try:
            yield
        finally:
            watch.cancel()

    def _break(self, error: StreamError) -> None:
        self.fail_engines()
        self.fail(error)


async def _watch(look: Callable[[], bool]) -> None:
    while True:
        if not look():
            return
        await asyncio.sleep(LOOK_EVERY_S)

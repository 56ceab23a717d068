"""What other threads ask of the thread that owns the consumer."""

from __future__ import annotations

import queue
from collections.abc import Callable


class OwnerQueue:
    """Put by any thread, run by the owner alone, in order."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, command: Callable[[], None]) -> None:
        """Have it run soon."""
        self._queue.put(command)

    def wake(self) -> None:
        """End a wait."""
        self._queue.put(lambda: None)

    @property
    def are_done(self) -> bool:
        """Whether none waits."""
        return self._queue.empty()

    def run(self) -> None:
        """Run those that wait."""
        while not self._queue.empty():
            self._queue.get()()

    def wait(self, timeout_s: float) -> None:
        """Run the next one, should it come in time."""
        try:
            self._queue.get(timeout=timeout_s)()
        except queue.Empty:
            return

"""What the supervisor and a worker say to each other, and the queue of orders to one worker."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing.connection import Connection
from threading import Condition, Thread

from stream.model.errors import Problem
from stream.model.held import Json
from stream.runtime.engine_run import Remaining
from stream.runtime.processor import RunOptions
from stream.runtime.start import StartFacts
from stream.settings.load import Loaded
from stream.telemetry.status.report import ProcessStatus

CLOSE_WAIT_S = 1.0


@dataclass(frozen=True)
class WorkerTask:
    """A worker's first order: which one it is and what to do. The settings are not divided yet."""

    number: int
    loaded: Loaded
    start: StartFacts
    options: RunOptions


class Ask(Enum):
    """What a worker is to report."""

    PULSE = auto()
    """Its health alone."""
    METRICS = auto()
    """Its metrics, too, which takes it some milliseconds."""
    HELD = auto()
    """What it holds, too."""
    STATUS = auto()
    """Its status, too."""


class Stop(Enum):
    """Drain, commit, leave the group, end."""

    NOW = auto()


@dataclass(frozen=True)
class Reload:
    """The settings were read again: these are they, or what is wrong with them."""

    loaded: Loaded | None
    problems: tuple[Problem, ...] = ()


Order = WorkerTask | Ask | Stop | Reload


@dataclass(frozen=True)
class WorkerReport:
    """How a worker is: what `Exposed` says in its process."""

    health_fault: str
    readiness_fault: str
    metrics: str | None = None
    """Only when it was asked for."""
    remaining: Remaining = Remaining.SOME
    held: Json | None = None
    """Only when it was asked for; empty: it cannot say now."""
    status: ProcessStatus | None = None
    """Only when it was asked for."""
    answers: Ask = Ask.PULSE


class Outbox:
    """Sends orders from a thread of its own, so that `put` never blocks: a stopped process reads nothing.

    Of several reloads that wait only the last is sent, which bounds what can pile up: every other order is given once
    or after the answer to the one before.
    """

    def __init__(self, connection: Connection[Order, WorkerReport], name: str) -> None:
        self._connection = connection
        self._waiting: deque[Order] = deque()
        self._is_closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._send_all, name=name, daemon=True)
        self._thread.start()

    def put(self, order: Order) -> None:
        """Send it soon; nothing happens when the process is gone. From any thread."""
        with self._changed:
            if isinstance(order, Reload):
                self._waiting = deque(one for one in self._waiting if not isinstance(one, Reload))
            self._waiting.append(order)
            self._changed.notify()

    def close(self) -> None:
        """End the thread, once the process is gone."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join(CLOSE_WAIT_S)

    def _send_all(self) -> None:
        with contextlib.suppress(OSError):
            while (order := self._next()) is not None:
                self._connection.send(order)

    def _next(self) -> Order | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            return None if self._is_closed else self._waiting.popleft()

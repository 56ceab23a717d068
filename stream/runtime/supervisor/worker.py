"""One of the workers, through all its processes, as the supervisor knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from stream.model.held import Json
from stream.runtime.supervisor.exits import KEPT_FROM_STARTING, Backoff
from stream.runtime.supervisor.life import Life, Spawn
from stream.runtime.supervisor.messages import Ask, Order, WorkerReport, WorkerTask
from stream.telemetry.status.report import ProcessStatus

Clock = Callable[[], float]
"""Monotonic seconds."""


@dataclass(frozen=True)
class End:
    """How one process of a worker ended."""

    code: int
    """Exit code; negative: the signal that ended it."""
    ran_s: float
    had_reported: bool


class Worker:
    """From the event loop alone; the plain values may be read from any thread."""

    def __init__(self, number: int, spawn: Spawn, clock: Clock) -> None:
        self.number = number
        self.backoff = Backoff()
        self.starts = 0
        self.heard_at: float | None = None
        """When it last gave a sign of life, or was first started; None before that."""
        self.report: WorkerReport | None = None
        """What it last said; None while it has no process, or one that has said nothing yet."""
        self.metrics = ""
        """What it last said of its metrics; likewise empty."""
        self.held: Json = {}
        """What it last said that it holds; likewise empty."""
        self.status: ProcessStatus | None = None
        """What it last said of its status; likewise None."""
        self.refused_with: int | None = None
        """Its first start ended with this code, before it had joined a group, and none since has come further."""
        self._spawn = spawn
        self._clock = clock
        self._life: Life | None = None
        self._ended: asyncio.Future[int] | None = None
        self._fresh: dict[Ask, asyncio.Future[None]] = {}
        """Questions that are not answered yet."""
        self._pulse_asked = False
        self._has_joined = False

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.starts - 1)

    @property
    def is_running(self) -> bool:
        """Whether it has a process."""
        return self._life is not None

    async def live(self, task: WorkerTask) -> End:
        """Run one process to its end.

        Raises:
            OSError: it could not be started.
        """
        began = self._clock()
        self.heard_at = began if self.heard_at is None else self.heard_at
        self.starts += 1
        ended = self._ended = asyncio.get_running_loop().create_future()
        self._life = self._spawn(self.number, self._on_report, ended.set_result)
        self._life.tell(task)
        self.ask_pulse()
        try:
            code = await ended
            if self.starts == 1 and not self._has_joined and code in KEPT_FROM_STARTING:
                self.refused_with = code
            return End(code, self._clock() - began, self.report is not None)
        finally:
            self._life = None
            self._forget()

    def tell(self, order: Order) -> None:
        """Give an order, if it has a process."""
        if self._life is not None:
            self._life.tell(order)

    def kill(self) -> None:
        """SIGKILL, if it has a process."""
        if self._life is not None:
            self._life.kill()

    def ask_pulse(self) -> None:
        """Ask for a sign of life, unless the last question is unanswered."""
        if self.is_running and not self._pulse_asked:
            self._pulse_asked = True
            self.tell(Ask.PULSE)

    async def ask(self, what: Ask) -> None:
        """Ask for its metrics, or what it holds, and wait for the answer or for the end of its process."""
        if not self.is_running:
            return
        fresh = self._fresh.get(what)
        if fresh is None:
            fresh = self._fresh[what] = asyncio.get_running_loop().create_future()
            self.tell(what)
        await asyncio.shield(fresh)

    def _on_report(self, report: WorkerReport) -> None:
        self.heard_at = self._clock()
        self.report = report
        if not report.readiness_fault:
            self._has_joined = True
            self.refused_with = None
        self.metrics = self.metrics if report.metrics is None else report.metrics
        self.held = self.held if report.held is None else report.held
        self.status = report.status or self.status
        if report.answers is Ask.PULSE:
            self._pulse_asked = False
        else:
            self._set_fresh(report.answers)

    def _forget(self) -> None:
        """Forget what the process reported: it is gone."""
        self.report = None
        self.metrics, self.held, self.status = "", {}, None
        self._pulse_asked = False
        for what in list(self._fresh):
            self._set_fresh(what)

    def _set_fresh(self, what: Ask) -> None:
        if (asked := self._fresh.pop(what, None)) is not None:
            asked.set_result(None)

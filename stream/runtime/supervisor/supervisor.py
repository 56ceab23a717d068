"""Keeps the workers running: starts them, restarts each that ends by itself, ends them all together.

What ends all is a fact about all: they were asked to, the end of the topics is reached, every worker was refused at its
first start, or no worker has anything left to consume. Any other end of a worker is its own, and it is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from stream.model.ports import Logger
from stream.runtime.engine_run import Remaining
from stream.runtime.supervisor.exits import AT_THE_END, IN_ORDER, RECORDS_LOST, ExitDecision, describe_exit
from stream.runtime.supervisor.life import Spawn
from stream.runtime.supervisor.messages import Ask, Order, Reload, Stop, WorkerTask
from stream.runtime.supervisor.worker import Clock, End, Worker
from stream.telemetry.status.report import MOST_CHANGES, Change

PULSE_EVERY_S = 1.0
END_SLACK_S = 5.0
"""How long a worker that is to end may take beyond its own limit before it is killed."""
SAME_END_S = 5.0
"""With `--until-end`: how long the others may take to see for themselves that all is done."""
EXHAUSTED_FOR_S = 5.0
"""How long no worker has anything left to consume before all end: a rebalance takes partitions away for a moment."""
FRESH_WITHIN_S = 1.5
"""How long a scrape waits for the workers; then it shows what they said last."""
SIGTERM_CODE = -15


@dataclass(frozen=True)
class Rules:
    """What the supervisor needs to know of the run."""

    stop_within_s: float
    """How long a worker may take for its drain, its last commit and leaving the group."""
    until_end: bool = False


class Supervisor:
    """Runs `count` workers until they are asked to stop, or cannot continue. From the event loop alone."""

    def __init__(self, count: int, rules: Rules, spawn: Spawn, clock: Clock, logger: Logger) -> None:
        self.workers = [Worker(number, spawn, clock) for number in range(count)]
        self._rules = rules
        self._logger = logger
        self._conclusion = ExitDecision()
        self._exhausted_since: float | None = None
        self._clock = clock
        self._keeping: set[asyncio.Task[None]] = set()
        """One for each worker; over when the worker will have no further process."""
        self._ending = asyncio.Event()
        self.changes: deque[Change] = deque(maxlen=MOST_CHANGES)
        """Ends of workers that were to continue; read from any thread."""
        self.stopping = asyncio.Event()
        """It was asked to stop."""

    async def run(self, task_of: Callable[[int], WorkerTask]) -> int:
        """Keep the workers running; the exit code once all have ended. `task_of` tells what a worker is to do now."""
        pulses = asyncio.create_task(self._ask_pulses())
        deadline = asyncio.create_task(self._kill_late_ones())
        try:
            self._keeping = {asyncio.create_task(self._keep(worker, task_of)) for worker in self.workers}
            await asyncio.gather(*self._keeping)
        finally:
            pulses.cancel()
            deadline.cancel()
        return self._conclusion.code

    def stop(self) -> None:
        """Let every worker drain, commit and end."""
        self.stopping.set()
        self._end_all()

    def reload(self, fresh: Reload) -> None:
        """Hand the settings on to every worker that runs."""
        self._tell_all(fresh)

    def kill(self) -> None:
        """SIGKILL to every worker."""
        for worker in self.workers:
            worker.kill()

    async def refresh(self, what: Ask = Ask.METRICS) -> None:
        """Ask every worker for its metrics, or what it holds; wait for the answers, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRESH_WITHIN_S):
                await asyncio.gather(*(worker.ask(what) for worker in self.workers))

    async def _keep(self, worker: Worker, task_of: Callable[[int], WorkerTask]) -> None:
        while not self._ending.is_set():
            end = await self._live(worker, task_of(worker.number))
            if self._ending.is_set():
                self._note_end(worker, end)
            elif self._rules.until_end and end.code in AT_THE_END:
                await self._end_of_topics(end.code)
                return
            elif all(one.refused_with is not None for one in self.workers):
                self._logger.error("No worker can start.", how=describe_exit(end.code))
                self._conclude(end.code)
            else:
                await self._pause(worker, end.code, worker.backoff.after(end.ran_s))

    async def _live(self, worker: Worker, task: WorkerTask) -> End:
        try:
            return await worker.live(task)
        except OSError as error:
            self._logger.error("A worker cannot be started.", worker=worker.number, error=error.strerror)
            return End(1, 0.0, had_reported=False)

    def _note_end(self, worker: Worker, end: End) -> None:
        """A worker ended that was to end. One that was only starting knows no signal yet, and had done nothing."""
        code = 0 if end.code == SIGTERM_CODE and not end.had_reported else end.code
        self._conclusion.note(code)
        if code not in IN_ORDER:
            self._logger.error("A worker broke while it was ending.", worker=worker.number, how=describe_exit(code))

    async def _end_of_topics(self, code: int) -> None:
        """A worker saw that everything is done; the others come to see it by themselves."""
        is_first = self._conclusion.reason is None
        self._conclusion.conclude(code)
        if is_first:
            await asyncio.wait(self._keeping - {asyncio.current_task()}, timeout=SAME_END_S)
            self._end_all()

    def _conclude(self, code: int) -> None:
        self._conclusion.conclude(code)
        self._end_all()

    def _end_if_exhausted(self) -> None:
        """End all once every worker has said for a while that it has nothing left but partitions that are halted."""
        if not self._is_exhausted():
            self._exhausted_since = None
            return
        now = self._clock()
        if self._exhausted_since is None:
            self._exhausted_since = now
        elif now - self._exhausted_since >= EXHAUSTED_FOR_S and not self._ending.is_set():
            self._logger.error("No worker has anything left to consume; see the error lines above.")
            self._conclude(RECORDS_LOST)

    def _is_exhausted(self) -> bool:
        reports = [worker.report for worker in self.workers]
        if not all(report and not report.readiness_fault for report in reports):
            return False
        return Remaining.of_all(report.remaining for report in reports if report) is Remaining.ONLY_HALTED

    async def _pause(self, worker: Worker, code: int, pause_s: float) -> None:
        self._logger.error(
            "A worker has died; it is started again.",
            worker=worker.number,
            how=describe_exit(code),
            after=f"{pause_s:g}s",
        )
        died = f"Worker {worker.number} died ({describe_exit(code)}); it is started again."
        self.changes.append(Change(time.time(), "worker_down", died, worker=str(worker.number)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), pause_s)

    def _end_all(self) -> None:
        self._ending.set()
        self._tell_all(Stop.NOW)

    def _tell_all(self, order: Order) -> None:
        for worker in self.workers:
            worker.tell(order)

    async def _ask_pulses(self) -> None:
        while True:
            self._end_if_exhausted()
            for worker in self.workers:
                worker.ask_pulse()
            await asyncio.sleep(PULSE_EVERY_S)

    async def _kill_late_ones(self) -> None:
        await self._ending.wait()
        await asyncio.sleep(self._rules.stop_within_s + END_SLACK_S)
        for worker in self.workers:
            if worker.is_running:
                self._logger.error("A worker does not end; it is killed.", worker=worker.number)
                worker.kill()

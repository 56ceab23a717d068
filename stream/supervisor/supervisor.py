"""Keeps the workers running: starts them, starts a dead one again, ends them all together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from stream.core.ports import Journal
from stream.supervisor.exits import FINAL, Conclusion, told
from stream.supervisor.life import Spawn
from stream.supervisor.messages import Order, Reload, Stop, Task
from stream.supervisor.worker import Clock, Worker

PULSE_EVERY_S = 1.0
END_SLACK_S = 5.0
"""How long a worker that is to end may take beyond its own limit before it is killed."""
SAME_END_S = 5.0
"""With `--until-end`: how long the others may take to see for themselves that all is done."""
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
    """Runs `count` workers until they are asked to stop, or one ends for good. From the event loop alone."""

    def __init__(self, count: int, rules: Rules, spawn: Spawn, clock: Clock, journal: Journal) -> None:
        self.workers = [Worker(number, spawn, clock) for number in range(count)]
        self._rules = rules
        self._journal = journal
        self._conclusion = Conclusion()
        self._reloaded: Reload | None = None
        self._keeping: set[asyncio.Task[None]] = set()
        """One for each worker; over when the worker will have no further process."""
        self._ending = asyncio.Event()
        self.stopping = asyncio.Event()
        """It was asked to stop."""

    async def run(self, task_of: Callable[[int], Task]) -> int:
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
        """Hand the settings on to every worker, and to those that are started from now on."""
        if fresh.loaded is not None:
            self._reloaded = fresh
        self._tell_all(fresh)

    def kill(self) -> None:
        """SIGKILL to every worker."""
        for worker in self.workers:
            worker.kill()

    async def refresh(self) -> None:
        """Ask every worker for its metrics; wait for the answers, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FRESH_WITHIN_S):
                await asyncio.gather(*(worker.ask_metrics() for worker in self.workers))

    async def _keep(self, worker: Worker, task_of: Callable[[int], Task]) -> None:
        while not self._ending.is_set():
            code, ran_s, had_reported = await self._live(worker, task_of(worker.number))
            if self._ending.is_set():
                self._note_end(worker, code, had_reported)
            elif code in FINAL:
                await self._conclude(worker, code)
                return
            else:
                await self._pause(worker, code, worker.backoff.after(ran_s))

    async def _live(self, worker: Worker, task: Task) -> tuple[int, float, bool]:
        try:
            # A worker that is started again comes to the settings in force in the same two steps as the others did.
            return await worker.live(task, *([self._reloaded] if self._reloaded else []))
        except OSError as error:
            self._journal.error("A worker cannot be started.", worker=worker.number, error=error.strerror)
            return 1, 0.0, False

    def _note_end(self, worker: Worker, code: int, had_reported: bool) -> None:
        """A worker ended that was to end. One that was only starting knows no signal yet, and had done nothing."""
        if code == SIGTERM_CODE and not had_reported:
            code = 0
        self._conclusion.note(code)
        if code not in FINAL:
            self._journal.error("A worker broke while it was ending.", worker=worker.number, how=told(code))

    async def _conclude(self, worker: Worker, code: int) -> None:
        """A worker ended for good: so do the others. At the end of the topics they come to it by themselves."""
        is_first = self._conclusion.reason is None
        self._conclusion.conclude(code)
        if not is_first:
            return
        write = self._journal.info if code == 0 else self._journal.error
        write("A worker has ended for good; the others end, too.", worker=worker.number, how=told(code))
        if code == 0 and self._rules.until_end:
            await asyncio.wait(self._keeping - {asyncio.current_task()}, timeout=SAME_END_S)
        self._end_all()

    async def _pause(self, worker: Worker, code: int, pause_s: float) -> None:
        self._journal.error(
            "A worker has died; it is started again.", worker=worker.number, how=told(code), after=f"{pause_s:g}s"
        )
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
            for worker in self.workers:
                worker.ask_pulse()
            await asyncio.sleep(PULSE_EVERY_S)

    async def _kill_late_ones(self) -> None:
        await self._ending.wait()
        await asyncio.sleep(self._rules.stop_within_s + END_SLACK_S)
        for worker in self.workers:
            if worker.is_running:
                self._journal.error("A worker does not end; it is killed.", worker=worker.number)
                worker.kill()

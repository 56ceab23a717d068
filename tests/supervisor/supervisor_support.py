"""Workers that are played by a test, and an event loop whose time jumps to whatever comes next."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stream.runtime.engine_run import Remaining
from stream.runtime.processor import RunOptions
from stream.runtime.start import StartFacts
from stream.runtime.supervisor.life import Life
from stream.runtime.supervisor.messages import Ask, Order, WorkerReport, WorkerTask
from stream.runtime.supervisor.supervisor import Rules, Supervisor
from stream.settings.load import Loaded, load_settings

T = TypeVar("T")


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting it moves the time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        found = super().select(0)
        if not found:
            self.now += timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on which an hour takes no time."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def play(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene on a loop whose time jumps."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(scene)


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


@dataclass
class Lines:
    """A journal that remembers."""

    written: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def info(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("info", sentence, fields))

    def warning(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("warning", sentence, fields))

    def error(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("error", sentence, fields))


@dataclass
class PlayedLife:
    """`Life` of a process that is none: a test says what it reports and when it ends."""

    number: int
    report: Callable[[WorkerReport], None]
    end: Callable[[int], None]
    began_at: float
    pid: int = 1
    told: list[Order] = field(default_factory=list)
    killed_at: float | None = None
    is_silent: bool = False
    """It answers no question."""
    is_starting: bool = False
    """It has not joined a group yet."""
    remaining: Remaining = Remaining.SOME

    def tell(self, order: Order) -> None:
        self.told.append(order)
        if isinstance(order, Ask) and not self.is_silent:
            metrics = f"# HELP m m\n# TYPE m gauge\nm {self.number}.0\n" if order is Ask.METRICS else None
            fault = "Not joined yet." if self.is_starting else ""
            self.report(WorkerReport("", fault, metrics, self.remaining, answers=order))

    def kill(self) -> None:
        self.killed_at = now()
        self.end(-9)

    @property
    def orders(self) -> list[Order]:
        """What it was told but for questions and its task."""
        return [order for order in self.told if not isinstance(order, Ask | WorkerTask)]


class Troupe:
    """A supervisor of played workers. `lives` has every process that was started, in order."""

    def __init__(self, count: int = 2, rules: Rules | None = None) -> None:
        self.lives: list[PlayedLife] = []
        self.logger = Lines()
        self.refusals: list[OSError] = []
        """What the next starts end in."""
        self.is_starting = False
        """Of the workers that are started from now on."""
        self.supervisor = Supervisor(count, rules or Rules(25.0), self._spawn, now, self.logger)
        self._run: asyncio.Task[int] | None = None

    async def begin(self) -> None:
        """Start the workers."""
        self._run = asyncio.create_task(self.supervisor.run(task_of))
        await asyncio.sleep(0.1)

    async def ended(self) -> int:
        """The supervisor's exit code, once it has ended."""
        assert self._run is not None
        return await self._run

    def last(self, number: int) -> PlayedLife:
        """The present process of a worker."""
        return next(life for life in reversed(self.lives) if life.number == number)

    def _spawn(self, number: int, on_report: Callable[[WorkerReport], None], on_end: Callable[[int], None]) -> Life:
        if self.refusals:
            raise self.refusals.pop()
        life = PlayedLife(number, on_report, on_end, now(), is_starting=self.is_starting)
        self.lives.append(life)
        return life


def loaded(**flags: object) -> Loaded:
    """Settings with one workflow."""
    environ = {"TRAY_WORKFLOW_URLS": "https://hooks.example.com/1", "TRAY_KAFKA__TOPICS": "events"}
    return load_settings(None, environ, flags)


def task_of(number: int) -> WorkerTask:
    """What a worker is to do."""
    return WorkerTask(number, loaded(), StartFacts(1, None), RunOptions())

"""A worker's process, at the other end of a real socket."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest
from supervisor_support import loaded

from stream.model.errors import Problem
from stream.runtime.supervisor.life import SpawnedLife
from stream.runtime.supervisor.messages import Reload, Stop, WorkerReport

ECHO = """
import sys
from multiprocessing.connection import Connection
from stream.runtime.supervisor.messages import WorkerReport, Stop
line = Connection(int(sys.argv[1]))
while (order := line.recv()) is not Stop.NOW:
    line.send(WorkerReport(order.problems[0].path if order.problems else "", ""))
"""
"""A process that reports the place of the first problem it is told, until it is to stop."""


@dataclass
class Heard:
    """A life, and what was heard of it."""

    reports: SimpleQueue[WorkerReport] = field(default_factory=SimpleQueue)
    ends: SimpleQueue[int] = field(default_factory=SimpleQueue)

    def spawn(self) -> SpawnedLife:
        def post(function: Callable[..., None], *args: object) -> None:
            function(*args)

        return SpawnedLife(lambda fd: [sys.executable, "-c", ECHO, str(fd)], post, self.reports.put, self.ends.put)


@pytest.fixture
def heard() -> Heard:
    """Nothing yet."""
    return Heard()


@pytest.fixture
def life(heard: Heard) -> Iterator[SpawnedLife]:
    """A process that is running."""
    life = heard.spawn()
    yield life
    life.kill()


def test_a_stopped_process_never_blocks_who_tells_it(life: SpawnedLife, heard: Heard) -> None:
    """Far more orders than a socket holds; once it runs again it gets the last reload, and what came after."""
    life.tell(Reload(None, (Problem("first", ""),)))
    assert heard.reports.get(timeout=60).health_fault == "first"
    os.kill(life.pid, signal.SIGSTOP)
    large = Problem("large", "x" * 100_000)
    for _ in range(100):
        life.tell(Reload(None, (large,)))
        life.tell(Reload(loaded()))
    life.tell(Reload(None, (Problem("last", ""),)))
    life.tell(Stop.NOW)
    os.kill(life.pid, signal.SIGCONT)
    assert heard.ends.get(timeout=60) == 0
    reports = [heard.reports.get() for _ in range(heard.reports.qsize())]
    assert reports[-1].health_fault == "last"
    assert len(reports) < 10


def test_a_stopped_process_can_be_killed(life: SpawnedLife, heard: Heard) -> None:
    """Also while orders for it wait; later ones go nowhere."""
    os.kill(life.pid, signal.SIGSTOP)
    for _ in range(50):
        life.tell(Reload(None, (Problem("large", "x" * 1_000_000),)))
    life.kill()
    assert heard.ends.get(timeout=60) == -signal.SIGKILL
    life.tell(Stop.NOW)

"""A worker's end of the line, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue

import pytest
from assertions import HANG_S
from supervisor_support import Lines, loaded

from stream.model.errors import Problem
from stream.runtime.engine_run import Remaining
from stream.runtime.supervisor.link import Controls, SupervisorLink
from stream.runtime.supervisor.messages import Ask, Order, Reload, Stop, WorkerReport
from stream.telemetry.status.report import ProcessStatus

WAIT_S = HANG_S
STATUS = ProcessStatus(5.0, "1.2.3", 0, 0, 0, 0)


@dataclass
class Shown:
    """`Exposed` with fixed answers."""

    is_broken: bool = False

    def metrics(self) -> bytes:
        if self.is_broken:
            raise LookupError
        return b"m 1.0\n"

    def held(self) -> dict[str, object] | None:
        return {"total": 1}

    def status(self) -> ProcessStatus | None:
        return STATUS

    def health_fault(self) -> str:
        return "Stuck."

    def readiness_fault(self) -> str:
        return "Stopping."


@dataclass
class Line:
    """Both ends of a line, and what the worker was told."""

    supervisor: Connection[Order, WorkerReport]
    shown: Shown = field(default_factory=Shown)
    logger: Lines = field(default_factory=Lines)
    told: SimpleQueue[object] = field(default_factory=SimpleQueue)

    def answer(self, order: Order) -> WorkerReport:
        """What comes back for a question."""
        self.supervisor.send(order)
        assert self.supervisor.poll(WAIT_S)
        return self.supervisor.recv()


@pytest.fixture
def line() -> Iterator[Line]:
    """A link that is up."""
    ours, theirs = Pipe()
    line = Line(ours)
    told = line.told.put
    controls = Controls(
        lambda: told("stop"),
        told,
        lambda: told("orphaned"),
        line.logger,
        remaining=lambda: Remaining.ONLY_HALTED,
        end_within_s=3600,
    )
    SupervisorLink(theirs, line.shown, controls)
    yield line
    ours.close()
    assert line.told.get(timeout=WAIT_S) == "orphaned"


def test_it_reports_when_asked(line: Line) -> None:
    """Metrics and what is held only when they are asked for, since they cost."""
    assert line.answer(Ask.PULSE) == WorkerReport("Stuck.", "Stopping.", None, Remaining.ONLY_HALTED)
    faults, left = ("Stuck.", "Stopping."), Remaining.ONLY_HALTED
    assert line.answer(Ask.METRICS) == WorkerReport(*faults, "m 1.0\n", left, answers=Ask.METRICS)
    assert line.answer(Ask.HELD) == WorkerReport(*faults, None, left, {"total": 1}, answers=Ask.HELD)
    assert line.answer(Ask.STATUS) == WorkerReport(*faults, None, left, status=STATUS, answers=Ask.STATUS)


def test_orders_lead_to_the_controls(line: Line) -> None:
    """In order; settings and problems survive the way."""
    fresh, faulty = Reload(loaded()), Reload(None, (Problem("limits", "are wrong.", "Mend them."),))
    for order in (fresh, faulty, Stop.NOW):
        line.supervisor.send(order)
    assert [line.told.get(timeout=WAIT_S) for _ in range(3)] == [fresh, faulty, "stop"]


def test_an_answer_that_cannot_be_made_is_not_the_end(line: Line) -> None:
    """It is logged, and the next order is taken."""
    line.shown.is_broken = True
    line.supervisor.send(Ask.METRICS)
    assert line.answer(Ask.PULSE).metrics is None
    assert line.logger.written == [("error", "The supervisor could not be answered.", {"error": "LookupError"})]

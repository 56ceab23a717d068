"""One process of the simulation: the real engine's member, its senders and its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from stream.engine.engine import Engine
from stream.model.attempts import HttpRequest
from stream.model.ports import Attempt, AttemptResult, OnResults
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from support.engine_world import TOPIC
from support.manual_clock import ManualClock, ManualTimer
from support.memory_broker import MemoryMember
from support.scripted_workflow import RecordingTrace
from support.simulated_workflow import SimArrival, SimWorkflow
from support.starting_member import StartingMember

if TYPE_CHECKING:
    from support.simulation import Simulation


Interval = tuple[float, float]
"""(since, until) in seconds."""


class SimSender:
    """Fulfils `Sender`: one process's way to one workflow."""

    def __init__(self, simulation: Simulation, process: Process, workflow: SimWorkflow) -> None:
        self._simulation = simulation
        self._process = process
        self._workflow = workflow
        self._under_way: dict[int, ManualTimer] = {}

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """The request arrives at once; its answer comes later, if the process still lives."""
        if self._process.is_dead:
            return
        tp, offset = place_of(request)
        answer, latency_s = self._workflow.answer(offset)
        clock = self._simulation.clock
        pause = float(answer.retry_after) if answer.retry_after else 0.0
        arrival = SimArrival(clock.monotonic(), self._process.number, tp, offset, answer.status, pause)
        arrival.was_owned = self._process.owns(tp)
        arrival.was_paused = self._workflow.name in self._simulation.paused()
        arrival.gate_was_closed = not self._process.gate_is_open(self._workflow.name)
        self._workflow.arrivals.append(arrival)
        told = partial(self._answer, arrival, on_results, (attempt, answer, latency_s))
        self._under_way[id(attempt)] = clock.call_at(clock.monotonic() + latency_s, told)

    def cancel(self, attempt: Attempt) -> None:
        """The connection is closed: no answer comes."""
        if (timer := self._under_way.pop(id(attempt), None)) is not None:
            timer.cancel()

    async def close(self) -> None:
        """Nothing to close."""

    def _answer(self, arrival: SimArrival, on_results: OnResults, result: AttemptResult) -> None:
        if self._process.is_dead:
            return
        del self._under_way[id(result[0])]
        now = arrival.answered_at = self._simulation.clock.monotonic()
        on_results([result])
        self._process.note_gate(self._workflow.name, now)


class ProcessClock:
    """Fulfils `Scheduler` for one process: its timers end with it."""

    def __init__(self, clock: ManualClock, member: MemoryMember) -> None:
        self._clock = clock
        self._member = member

    def monotonic(self) -> float:
        """The simulation's time."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """The simulation's Unix time."""
        return self._clock.wall()

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """Call back unless the process is dead by then."""
        return self._clock.call_at(when, partial(self._unless_dead, callback))

    def _unless_dead(self, callback: Callable[[], None]) -> None:
        if not self._member.is_dead:
            callback()


@dataclass
class Process:
    """One process of the group."""

    number: int
    member: StartingMember
    stats: EngineStats
    trace: RecordingTrace
    engine: Engine
    senders: dict[str, SimSender]
    """By the names of the workflows that it has known."""
    is_stopping: bool = False
    gate_log: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    """Per workflow when its gate closed (False) and opened (True)."""

    def note_gate(self, workflow: str, now: float) -> None:
        """Keep a change of a gate; it only changes when an answer comes."""
        log = self.gate_log.setdefault(workflow, [(0.0, True)])
        if log[-1][1] != self.gate_is_open(workflow):
            log.append((now, not log[-1][1]))

    def open_time(self, workflow: str, start: float, end: float, pauses: Sequence[Interval]) -> float:
        """Seconds of [start, end) in which the gate was open and the workflow not paused."""
        log = [*self.gate_log.get(workflow, [(0.0, True)]), (float("inf"), True)]
        opened = [
            (max(start, since), min(end, until))
            for (since, is_open), (until, _) in pairwise(log)
            if is_open and max(start, since) < min(end, until)
        ]
        paused_s = sum(max(0.0, min(b, d) - max(a, c)) for a, b in opened for c, d in pauses)
        return sum(until - since for since, until in opened) - paused_s

    @property
    def is_dead(self) -> bool:
        """Whether it crashed or ended."""
        return self.member.is_dead

    def owns(self, tp: TopicPartition) -> bool:
        """Whether it has the partition, and was not asked to give it back."""
        return tp in self.member.epochs and tp not in self.member.revoking

    def gate_is_open(self, workflow: str) -> bool:
        """Whether it sends freely to that workflow."""
        return self.engine.gate_is_open(workflow)


def place_of(request: HttpRequest) -> tuple[TopicPartition, int]:
    """Where the event of a request lies, from its idempotency key."""
    partition, offset = dict(request.headers)["idempotency-key"].split("-")
    return TopicPartition(TOPIC, int(partition)), int(offset)

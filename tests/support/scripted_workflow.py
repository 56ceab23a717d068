"""Workflows and a dead-letter topic in memory, for the engine's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat

from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.events import DeadLetter
from stream.model.ports import Attempt, Cancel, OnResults, Scheduler
from stream.rules.listener import TraceLines

Script = Callable[[HttpRequest], Answer | None]
"""What a workflow answers to a request; None: it never answers."""


@dataclass(frozen=True)
class Arrival:
    """A request as the workflow saw it."""

    at: float
    key: str
    """Its idempotency key."""
    body: bytes
    status: int
    """What is answered; 0 when there is no status."""


def statuses(*codes: int, then: int = 200) -> Script:
    """Answer these statuses in turn, then always `then`."""
    answers = chain(codes, repeat(then))
    return lambda _request: Answer(next(answers))


def failing(word: str, times: int, then: int = 200) -> Script:
    """Fail this many times without a status, then answer `then`."""
    answers = chain((Answer(0, failure=word) for _ in range(times)), (Answer(then) for _ in repeat(None)))
    return lambda _request: next(answers)


class ScriptedWorkflow:
    """Fulfils `Sender`: answers by its script after `latency_s`, and keeps a log of arrivals."""

    def __init__(self, clock: Scheduler, script: Script | Iterable[int] = (), *, latency_s: float = 0.02) -> None:
        self.script: Script = script if callable(script) else statuses(*script)
        self.latency_s = latency_s
        self.latency_of: Callable[[Arrival], float] = lambda _arrival: self.latency_s
        """Seconds until a request is answered."""
        self.arrivals: list[Arrival] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_closed = False
        self._clock = clock
        self._under_way: dict[int, Cancel] = {}

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Log the request; answer later."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._arrive(request, attempt, on_results)

    def _arrive(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        answer = self.script(request)
        key = dict(request.headers)["idempotency-key"]
        now = self._clock.monotonic()
        arrival = Arrival(now, key, request.body, answer.status if answer else 0)
        self.arrivals.append(arrival)
        latency_s = self.latency_of(arrival) if answer is not None else float("inf")
        answered = partial(self._answer, request, attempt, on_results, answer, latency_s)
        self._under_way[id(attempt)] = self._clock.call_at(now + latency_s, answered)

    def cancel(self, attempt: Attempt) -> None:
        """Answer it no more."""
        timer = self._under_way.pop(id(attempt), None)
        if timer is not None:
            timer.cancel()
            self.in_flight -= 1

    async def close(self) -> None:
        """Nothing to close."""
        self.is_closed = True

    def delivered(self) -> list[str]:
        """Idempotency keys answered with success, in order of arrival."""
        return [arrival.key for arrival in self.arrivals if 200 <= arrival.status < 300]

    def _answer(
        self, request: HttpRequest, attempt: Attempt, on_results: OnResults, answer: Answer | None, latency_s: float
    ) -> None:
        if answer is RESENT:
            self._arrive(request, attempt, on_results)
            on_results([(attempt, answer, latency_s)])
            return
        del self._under_way[id(attempt)]
        self.in_flight -= 1
        if answer is not None:
            on_results([(attempt, answer, latency_s)])


class MemoryDeadLetters:
    """Fulfils `DeadLetters`: keeps letters; `errors` are what the next writes are answered with."""

    def __init__(self, clock: Scheduler, *, latency_s: float = 0.01) -> None:
        self.stored: list[tuple[float, DeadLetter]] = []
        """Each letter, and when it was acknowledged (monotonic seconds)."""
        self.errors: list[str] = []
        self._clock = clock
        self._latency_s = latency_s

    @property
    def letters(self) -> list[DeadLetter]:
        """The letters alone."""
        return [letter for _, letter in self.stored]

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Keep the letter unless an error is due; tell after the latency."""
        due = self._clock.monotonic() + self._latency_s
        self._clock.call_at(due, partial(self._answer, letter, on_written))

    def _answer(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        error = self.errors.pop(0) if self.errors else ""
        if not error:
            self.stored.append((self._clock.monotonic(), letter))
        on_written(error)


class RecordingTrace(TraceLines):
    """Keeps each step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, object]] = []

    def emit(self, event: str, /, **fields: object) -> None:
        """Keep one step."""
        self.steps.append({"event": event, **fields})


class SilentLogger:
    """Fulfils `Logger`: keeps sentences and their fields for tests that ask."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    @property
    def sentences(self) -> list[str]:
        """Without the fields."""
        return [sentence for sentence, _ in self.lines]

    def fields_of(self, text: str) -> list[dict[str, object]]:
        """The fields of each line whose sentence holds `text`."""
        return [fields for sentence, fields in self.lines if text in sentence]

    def info(self, sentence: str, /, **fields: object) -> None:
        """Keep it."""
        self.lines.append((sentence, fields))

    warning = error = info

"""Workflows with moods, as the simulation's processes meet them."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from stream.model.attempts import Answer
from stream.model.records import TopicPartition

TIMEOUT_S = 10.0


@dataclass(slots=True)
class SimArrival:
    """One request as a workflow saw it."""

    at: float
    process: int
    tp: TopicPartition
    offset: int
    status: int
    """What is answered; 0: nothing, or no HTTP."""
    retry_after_s: float = 0.0
    answered_at: float | None = None
    """When the process had its answer; None: it never had."""
    gate_was_closed: bool = False
    was_paused: bool = False
    """The settings of its process paused the workflow when the request was sent."""
    was_owned: bool = True
    """The partition was the process's, and not being given back, when the request was sent."""


@dataclass
class SimWorkflow:
    """A workflow with moods. Rejected and poisoned events are so for ever, by their offset."""

    name: str
    rng: Random
    mood: str = "well"
    is_healed: bool = False
    arrivals: list[SimArrival] = field(default_factory=list)
    _is_hiccuping: bool = False

    def change_mood(self, mood: str) -> None:
        """Answer in another way from now on. A hiccup leaves some requests hanging until it asks for a short pause."""
        self.mood = mood
        self._is_hiccuping = True

    def is_rejected(self, offset: int) -> bool:
        """Whether this workflow answers 400 to that event."""
        return offset % 17 == 5

    def is_poison(self, offset: int) -> bool:
        """Whether this workflow answers 500 to that event until it is healed.

        For ever would be no end: three such lanes look like an outage, which expires nothing.
        """
        return offset % 41 == 7 and not self.is_healed

    def answer(self, offset: int) -> tuple[Answer, float]:
        """(answer, seconds until it is there) for one request."""
        rng = self.rng
        quick = rng.uniform(0.005, 0.08)
        if self.mood == "down":
            return rng.choice([Answer(503), Answer(502), Answer(0, "connect")]), quick
        if self.mood == "hanging":
            return Answer(0, "timeout"), TIMEOUT_S
        if self.mood == "hiccup" and self._is_hiccuping:
            self._is_hiccuping = rng.random() < 0.9
            return (Answer(0, "timeout"), TIMEOUT_S) if self._is_hiccuping else (Answer(503, retry_after="1"), quick)
        if self.mood == "forbidden":
            return Answer(403), quick
        if self.mood == "throttling":
            quick = rng.choice([quick, rng.uniform(0.1, 8.0)])
            if rng.random() < 0.3:
                return Answer(429, retry_after=str(rng.randint(1, 20))), quick
        if self.mood == "flaky" and rng.random() < 0.4:
            return rng.choice([Answer(500), Answer(0, "reset"), Answer(504)]), quick
        if self.is_rejected(offset):
            return Answer(400), quick
        if self.is_poison(offset):
            return Answer(500), quick
        return Answer(200), rng.uniform(1.0, 6.0) if self.mood == "slow" else quick


MOODS = ("well", "well", "well", "down", "hanging", "hiccup", "hiccup", "forbidden", "throttling", "flaky", "slow")

"""Partitions whose next record was written with a schema that is not known yet: they wait, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from stream.engine.partition import PartitionState
from stream.engine.steps import Steps
from stream.model.ports import Cancel, Logger, Schemas
from stream.model.statistics import EngineStats

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 15.0
ANSWER_WITHIN_S = 20.0
"""The client has deadlines of its own; a registry that keeps it busy beyond them counts as away."""
REMIND_EVERY_S = 60.0


@dataclass(slots=True)
class Question:
    """One schema that the registry is asked for."""

    schema_id: int
    partitions: dict[PartitionState, None] = field(default_factory=dict)
    failures: int = 0
    """Answers in a row that did not have the schema."""
    generation: int = 0
    """Grows whenever earlier answers and timers stop counting."""
    timer: Cancel | None = None
    log_at: float = 0.0


class SchemaWaits:
    """Asks for each schema once at a time, again and again until the registry answers."""

    def __init__(
        self,
        schemas: Schemas | None,
        resume: Callable[[PartitionState], None],
        stats: EngineStats,
        steps: Steps,
        logger: Logger,
    ) -> None:
        self._schemas = schemas
        self._resume = resume
        self._stats = stats
        self._clock = steps
        self._logger = logger
        self._questions: dict[int, Question] = {}

    def wait(self, schema_id: int, partition: PartitionState) -> None:
        """Read on in this partition once the schema is known."""
        question = self._questions.get(schema_id)
        if question is None:
            question = self._questions[schema_id] = Question(schema_id, {partition: None})
            self._ask(question)
        else:
            question.partitions[partition] = None

    def _ask(self, question: Question) -> None:
        if self._schemas is None:
            return
        question.generation += 1
        generation = question.generation
        late = f"it has not answered within {ANSWER_WITHIN_S:.0f} s"
        deadline = self._clock.monotonic() + ANSWER_WITHIN_S
        question.timer = self._clock.call_at(deadline, partial(self._answered, question, generation, late))
        self._schemas.fetch(question.schema_id, self._clock.entry(self._answered, question, generation))

    def _answered(self, question: Question, generation: int, why_not: str) -> None:
        if generation != question.generation or self._questions.get(question.schema_id) is not question:
            return
        if question.timer is not None:
            question.timer.cancel()
        self._stats.schema_requests["failed" if why_not else "answered"] += 1
        waiting = [one for one in question.partitions if one.is_active and one.awaits_schema]
        if why_not and waiting:
            self._retry(question, why_not, waiting)
            return
        del self._questions[question.schema_id]
        if question.failures and not why_not:
            self._logger.info("The Schema Registry answers again; reading on.", schema_id=question.schema_id)
        for partition in waiting:
            self._resume(partition)

    def _retry(self, question: Question, why_not: str, waiting: list[PartitionState]) -> None:
        now = self._clock.monotonic()
        question.failures += 1
        question.generation += 1  # an answer that comes later is not waited for
        if now >= question.log_at:
            question.log_at = now + REMIND_EVERY_S
            self._logger.error(
                "The Schema Registry does not answer; these partitions wait, and nothing of them is lost.",
                schema_id=question.schema_id,
                because=why_not,
                partitions=" ".join(f"{one.tp.topic}:{one.tp.partition}" for one in waiting[:20]),
            )
        delay_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(question.failures, 10))
        question.timer = self._clock.call_at(now + delay_s, partial(self._again, question, question.generation))

    def _again(self, question: Question, generation: int) -> None:
        if generation == question.generation:
            self._ask(question)

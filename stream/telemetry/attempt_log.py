"""What becomes of each attempt, as lines of the log's level debug."""

from __future__ import annotations

from stream.model.attempts import Answer
from stream.model.records import Record
from stream.rules.listener import DeliveryListener
from stream.telemetry.logs import StructlogLogger


class AttemptLog(DeliveryListener):
    """One line for each attempt; nothing of the event but where it lies, nothing of an answer's body."""

    def __init__(self, logger: StructlogLogger) -> None:
        self._logger = logger

    def on_attempt(self, record: Record, workflow: str, number: int, answer: Answer, elapsed_s: float) -> None:
        self._logger.debug(
            "Attempt answered.",
            workflow=workflow,
            place=str(record.place),
            attempt=number,
            answer=answer.code,
            ms=round(elapsed_s * 1000, 1),
            **({"reason": answer.excerpt} if answer.failure else {}),
        )

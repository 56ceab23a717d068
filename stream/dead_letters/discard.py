"""Ends letters without delivering their events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream.dead_letters.markers import MarkerWriter, opened_marks
from stream.kafka.client_config import KafkaPolicy
from stream.model.errors import SourceError
from stream.model.letters import DISCARDED, Letter

AT_ONCE = 2_000
PATIENCE_S = 60.0


async def discard_letters(
    kafka: KafkaPolicy, topic: str, letters: Sequence[Letter], progress: Callable[[int], None]
) -> None:
    """Write a marker for each; return when all are acknowledged. `progress` is called with the number written.

    Raises:
        SourceError: some could not be written; those letters are still open.
    """
    with opened_marks(kafka, topic) as (marks, _):
        for number, letter in enumerate(letters, 1):
            marks.end(letter, DISCARDED)
            progress(number)
            await _room(marks, AT_ONCE)
        await _room(marks, 1)


async def _room(marks: MarkerWriter, count: int) -> None:
    if marks.outstanding >= count and not await marks.fewer_than(count, PATIENCE_S):
        raise SourceError(f"{marks.outstanding} letters could not be ended ({marks.last_error or 'no answer'}).")

"""Dead letters of a replay: those of the live groups, with one header more."""

from __future__ import annotations

import time
from collections.abc import Callable

from stream.kafka.dead_letters import DeadLetterTopic, Written, letter_headers
from stream.model.events import DeadLetter

HEADER = "tray.replay"
"""Names the replay in which the event failed."""


class ReplayLetters:
    """Fulfils `DeadLetters`.

    A letter belongs to the group that delivers to its workflow, so that it is one with a letter which that group has
    written, or will write, of the same event.
    """

    def __init__(self, topic: DeadLetterTopic, partitions: int, replay: str, group_of: Callable[[str], str]) -> None:
        self._topic = topic
        self._partitions = partitions
        self._replay = replay
        self._group_of = group_of

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Produce one letter."""
        record = letter.record
        headers = letter_headers(letter, self._group_of(letter.workflow or ""), time.time())
        kept = [(name, value) for name, value in headers if name != HEADER]
        partition = record.partition if record.partition < self._partitions else -1
        written = Written(partition, record.key, record.value, [*kept, (HEADER, self._replay.encode())])
        self._topic.put(written, on_written)

"""Dead letters of events that failed again: the same letters, with the new attempts added."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from stream.dead_letters.plan import Tasks
from stream.kafka.dead_letters import DeadLetterTopic, Written, letter_headers
from stream.model.events import DeadLetter
from stream.model.letters import Identity, Letter


class RepeatedLetters:
    """Fulfils `DeadLetters` for the engine of one workflow.

    A letter is written under the identity that it had, on the partition where it lies. Of an invalid record that has
    become an event it is the first one of this workflow.
    """

    def __init__(self, topic: DeadLetterTopic, workflow: str, tasks: Tasks, on_failed: Callable[[], None]) -> None:
        """`on_failed` is called for each event that ended badly, before its letter is written."""
        self._topic = topic
        self._workflow = workflow
        self._tasks = tasks
        self._on_failed = on_failed

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Produce it; nearly always one record, and `on_written` is called when all are answered."""
        self._on_failed()
        before: dict[Identity, Letter] = {}
        for task in self._tasks[letter.record.place]:
            identity = task.letter.identity._replace(workflow=self._workflow)
            if identity not in before or task.letter.identity == identity:
                before[identity] = task.letter
        answers = _Answers(len(before), on_written)
        for identity, old in before.items():
            self._topic.put(self._written(letter, identity, old), answers.add)

    def _written(self, letter: DeadLetter, identity: Identity, old: Letter) -> Written:
        attempts = letter.attempts + (old.attempts if old.identity == identity else 0)
        added = replace(letter, attempts=attempts, workflow=self._workflow, topic_id=identity.topic_id)
        headers = letter_headers(added, identity.group, time.time())
        return Written(old.at.partition, letter.record.key, letter.record.value, headers)


class _Answers:
    """Passes the last of several answers on, or the first that is an error."""

    def __init__(self, expected: int, on_all: Callable[[str], None]) -> None:
        self._left = expected
        self._error = ""
        self._on_all = on_all

    def add(self, error: str) -> None:
        self._left -= 1
        self._error = self._error or error
        if not self._left:
            self._on_all(self._error)

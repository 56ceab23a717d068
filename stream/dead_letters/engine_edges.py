"""What stands around the engine of one workflow in a redrive: its source, its sender, its dead letters."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from stream.dead_letters.markers import MarkerWriter
from stream.dead_letters.plan import Tasks
from stream.kafka.dead_letters import DeadLetterTopic, Written, letter_headers
from stream.model.attempts import HttpRequest
from stream.model.events import DeadLetter
from stream.model.letters import Identity, Letter
from stream.model.ports import Attempt, Offsets, OnResults, Sender
from stream.model.records import RecordId, TopicPartition

AT_ONCE = 500


class RedriveSource:
    """Fulfils `Source`: what would come from the topic comes from the letters instead. Nothing is ever committed."""

    def __init__(self, places: Iterable[RecordId]) -> None:
        self._waiting: dict[TopicPartition, deque[RecordId]] = {}
        for place in sorted(places):
            self._waiting.setdefault(TopicPartition(place.topic, place.partition), deque()).append(place)
        self._is_open = True
        self._stopped: frozenset[TopicPartition] = frozenset()
        self.changed = asyncio.Event()
        """There may be room again."""

    @property
    def starts(self) -> dict[TopicPartition, int]:
        """The lowest offset that waits, per partition."""
        return {tp: places[0].offset for tp, places in self._waiting.items()}

    @property
    def is_empty(self) -> bool:
        """Whether everything was handed over."""
        return not self._waiting

    def take(self) -> list[RecordId]:
        """The next places, all of one partition; none while there is no room. Partitions take turns."""
        if not self._is_open:
            return []
        for tp in list(self._waiting):
            if tp in self._stopped:
                continue
            waiting = self._waiting.pop(tp)
            taken = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            if waiting:
                self._waiting[tp] = waiting
            return taken
        return []

    def commit(self, offsets: Offsets) -> None:
        """The letters' own markers say what is done."""

    def set_intake(self, is_open: bool) -> None:
        """Whether the engine takes events."""
        self._is_open = is_open
        self.changed.set()

    def set_stopped(self, tps: Collection[TopicPartition]) -> None:
        """Whose events it does not take."""
        self._stopped = frozenset(tps)
        self.changed.set()


class MarkingSender:
    """Fulfils `Sender`: another one, with at most `limit` of the workflow's markers outstanding."""

    def __init__(self, sender: Sender, marks: MarkerWriter, workflow: str, limit: int) -> None:
        self._sender = sender
        self._marks = marks
        self._workflow = workflow
        self._limit = limit
        self._waiting: deque[tuple[HttpRequest, Attempt, OnResults]] = deque()
        marks.listeners.append(self._go_on)

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Start one attempt now, or as soon as enough is marked; its time begins then."""
        self._waiting.append((request, attempt, on_results))
        self._go_on()

    def cancel(self, attempt: Attempt) -> None:
        """Give the attempt up: its callback is not called."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[1] is not attempt)
        self._sender.cancel(attempt)

    async def close(self) -> None:
        """Close every connection."""
        self._marks.listeners.remove(self._go_on)
        await self._sender.close()

    def _go_on(self) -> None:
        while self._waiting and self._marks.outstanding_of[self._workflow] < self._limit:
            self._sender.send(*self._waiting.popleft())


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

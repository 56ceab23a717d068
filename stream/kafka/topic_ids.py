"""The ids of topics, which tell a topic from another of the same name, and what a changed one means."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.kafka.assignment import Assignment
from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import is_transient, kafka_error
from stream.model.records import TopicPartition

TIMEOUT_S = 5.0
WAIT_S = 0.5
"""How long a start waits for the id of its topic where it may come later."""
NEVER_GIVEN = "AAAAAAAAAAAAAAAAAAAAAA"
"""All zero: the broker is older than topic ids."""
_LOOK_EVERY_S = 0.02

EVERY_S = 5.0
SOON_S = 1.0
"""Least time between two questions, whatever gives rise to them, ..."""
AT_ONCE_S = 0.05
"""... but records that wait for the answer."""


class TopicDescriber:
    """Asks Kafka for the ids of topics, by one client that the first question opens. For several threads."""

    def __init__(self, config: Options) -> None:
        self._config = config
        self._admin: AdminClient | None = None
        self._opening = threading.Lock()

    def ask(self, topics: Collection[str]) -> Mapping[str, Future[Any]]:
        """The answers to come, by topic; none where Kafka does not take a name."""
        with self._opening:
            if self._admin is None:
                self._admin = open_client(AdminClient, self._config)
        try:
            return self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=TIMEOUT_S)
        except (KafkaException, ValueError):
            return {}

    def read(self, topics: Collection[str], timeout_s: float) -> dict[str, str] | None:
        """The ids that Kafka gives, blocking; None: it does not answer for now."""
        if not topics:
            return {}
        futures = self.ask(topics)
        wait(futures.values(), timeout_s)
        if any(not future.done() or _is_unanswered(future) for future in futures.values()):
            return None
        self.serve()
        return _ids(futures)

    def serve(self) -> None:
        """Take lines of the client's log, which would gather otherwise."""
        if self._admin is not None:
            self._admin.poll(0)


def _is_unanswered(future: Future[Any]) -> bool:
    error = future.exception()
    return isinstance(error, KafkaException) and is_transient(kafka_error(error))


def _ids(futures: Mapping[str, Future[Any]]) -> dict[str, str]:
    ids = {topic: str(future.result().topic_id) for topic, future in futures.items() if not future.exception()}
    return {topic: topic_id for topic, topic_id in ids.items() if topic_id not in ("", NEVER_GIVEN)}


class TopicIds:
    """Asks without blocking, one question at a time. Used by one thread alone."""

    def __init__(self, describer: TopicDescriber) -> None:
        self.known: dict[str, str] = {}
        """The latest answers; a topic is missing as long as Kafka has not given an id for it."""
        self.questions = 0
        """How many were asked so far."""
        self.answered = 0
        """How many of these have ended, with ids or without."""
        self.confirmed: dict[str, int] = {}
        """By topic the last of them that gave its id."""
        self._demanded = 0
        self._describer = describer
        self._asked: Mapping[str, Future[Any]] = {}
        self._learned: set[str] = set()
        """Topics whose ids were learned since the open question was asked, whose answer may be older."""

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self.answered < self.questions

    def ask(self, topics: Collection[str]) -> None:
        """Ask for these topics; `look` takes the answer. Does nothing while another question is open."""
        if self.is_waiting or not topics:
            return
        self.questions += 1
        self._learned.clear()
        self._asked = self._describer.ask(topics)

    def demand(self) -> int:
        """Want an answer to a question that is not asked yet, soon; the question's number."""
        self._demanded = self.questions + 1
        return self._demanded

    @property
    def is_demanded(self) -> bool:
        """Whether a question is wanted and not asked yet."""
        return self._demanded > self.questions

    def forget(self, topics: Collection[str]) -> None:
        """What was known of these may be out of date."""
        for topic in topics:
            self.known.pop(topic, None)

    def learn(self, topic_ids: Mapping[str, str]) -> None:
        """These were read elsewhere just now."""
        self.known |= topic_ids
        self._learned |= topic_ids.keys()

    def look(self) -> bool:
        """Take the answer to the open question; whether there is one now."""
        if not self.is_waiting or not all(future.done() for future in self._asked.values()):
            return False
        self.answered = self.questions
        found = {topic: found for topic, found in _ids(self._asked).items() if topic not in self._learned}
        self.known |= found
        self.confirmed |= dict.fromkeys(found, self.questions)
        self._describer.serve()
        return True

    def wait(self, timeout_s: float) -> None:
        """Give an answer that is under way this long to come."""
        if self.answered and not self.known:  # this cluster gives no ids, or not now
            return
        give_up_at = time.monotonic() + timeout_s
        while self.is_waiting and not self.look() and time.monotonic() < give_up_at:
            time.sleep(_LOOK_EVERY_S)


class Replaced(NamedTuple):
    """A partition that is read as one of a topic which is gone."""

    tp: TopicPartition
    epoch: int
    topic_id: str
    """Of the topic that has the name now."""
    was_read: bool
    """The old one had been read to its end when it was seen last."""


class TopicWatch:
    """Compares the ids that partitions are read under with those that Kafka gives their topics."""

    def __init__(self, ids: TopicIds, assignment: Assignment, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.ids = ids
        self.monotonic = monotonic
        self._assignment = assignment
        self._asked_at = -EVERY_S
        self._ask_at = 0.0
        self._compared_grants = 0
        self._at_end_when_asked: frozenset[TopicPartition] = frozenset()
        self._read_to_end: dict[TopicPartition, str] = {}
        """Partitions that had been read to their end when the id of their topic, this one, was confirmed last.

        They stay when revoked: the deletion of a topic may take its partitions away before it is noticed."""

    def hurry(self) -> None:
        """Something happened that a new topic would explain: ask soon."""
        self._ask_at = min(self._ask_at, self._asked_at + SOON_S)

    def go_on(self) -> tuple[Mapping[TopicPartition, str], list[Replaced]]:
        """Between two polls: ids of partitions that had none, and the partitions whose topic was replaced."""
        now = self.monotonic()
        has_granted = self._assignment.grants != self._compared_grants
        has_answer = self.ids.look()
        found, replaced = self.compare() if has_granted or has_answer else ({}, [])
        if has_granted:
            self._compared_grants = self._assignment.grants
            self.hurry()
        if has_answer:
            self._note_read_to_end()
        if self._is_due(now):
            self._asked_at, self._ask_at = now, now + EVERY_S
            self._at_end_when_asked = frozenset(self._assignment.at_end)
            self._assignment.came_to_end.clear()
            self.ids.ask({tp.topic for tp in self._assignment.epochs})
        return found, replaced

    def _is_due(self, now: float) -> bool:
        """Also where a partition has come to its end: that is worth nothing before the id is confirmed."""
        if self.ids.is_waiting:
            return False
        if self.ids.is_demanded and now >= self._asked_at + AT_ONCE_S:
            return True
        if now < self._asked_at + SOON_S:
            return False
        is_confirmed = self._assignment.came_to_end <= self._read_to_end.keys()
        if is_confirmed:
            self._assignment.came_to_end.clear()
        return now >= self._ask_at or not is_confirmed

    def compare(self) -> tuple[dict[TopicPartition, str], list[Replaced]]:
        """The same by what is known already."""
        held, known = self._assignment.topic_ids, self.ids.known
        present = {tp: known[tp.topic] for tp in held if tp.topic in known}
        found = {tp: topic_id for tp, topic_id in present.items() if not held[tp]}
        held |= found
        return found, [
            Replaced(tp, self._assignment.epochs[tp], topic_id, self._read_to_end.get(tp) == held[tp])
            for tp, topic_id in present.items()
            if held[tp] != topic_id and tp not in self._assignment.stopped
        ]

    def _note_read_to_end(self) -> None:
        for tp, topic_id in self._assignment.topic_ids.items():
            if self.ids.known.get(tp.topic) != topic_id:
                continue
            if tp in self._at_end_when_asked:
                self._read_to_end[tp] = topic_id
            else:
                self._read_to_end.pop(tp, None)

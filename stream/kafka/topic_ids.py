"""Kafka's ids of topics: one that is deleted and created again keeps its name, and has another id."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.kafka.client_config import Options, open_client

TIMEOUT_S = 5.0
WAIT_S = 0.5
"""How long a start waits for the id of its topic, which may come later."""
NEVER_GIVEN = "AAAAAAAAAAAAAAAAAAAAAA"
"""All zero: the broker is older than topic ids."""
_LOOK_EVERY_S = 0.02


class TopicIds:
    """Asks without blocking, one question at a time. Used by one thread alone."""

    def __init__(self, config: Options) -> None:
        self.known: dict[str, str] = {}
        """The latest answers; a topic is missing as long as Kafka has not given an id for it."""
        self.questions = 0
        """How many were asked so far."""
        self.answered = 0
        """How many of these have ended, with ids or without."""
        self._config = config
        self._admin: AdminClient | None = None
        self._asked: Mapping[str, Future[Any]] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return self.answered < self.questions

    def ask(self, topics: Collection[str]) -> None:
        """Ask for these topics; `look` takes the answer. Does nothing while another question is open."""
        if self.is_waiting or not topics:
            return
        if self._admin is None:
            self._admin = open_client(AdminClient, self._config)
        self.questions += 1
        try:
            self._asked = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=TIMEOUT_S)
        except (KafkaException, ValueError):  # a name that Kafka does not take
            self._asked = {}

    def forget(self, topics: Collection[str]) -> None:
        """What was known of these may be out of date."""
        for topic in topics:
            self.known.pop(topic, None)

    def look(self) -> bool:
        """Take the answer to the open question; whether there is one now."""
        if not self.is_waiting or not all(future.done() for future in self._asked.values()):
            return False
        self.answered = self.questions
        for topic, future in self._asked.items():
            topic_id = "" if future.exception() else str(future.result().topic_id)
            if topic_id not in ("", NEVER_GIVEN):
                self.known[topic] = topic_id
        if self._admin is not None:
            self._admin.poll(0)  # lines of the client's log, which would gather otherwise
        return True

    def wait(self, timeout_s: float) -> None:
        """Give an answer that is under way this long to come."""
        if self.answered and not self.known:  # this cluster gives no ids, or not now
            return
        give_up_at = time.monotonic() + timeout_s
        while self.is_waiting and not self.look() and time.monotonic() < give_up_at:
            time.sleep(_LOOK_EVERY_S)

"""Notices that a topic was deleted and created again: its offsets then mean other records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from stream.kafka.assignment import Assignment
from stream.kafka.topic_ids import TopicIds
from stream.model.records import TopicPartition

EVERY_S = 5.0
SOON_S = 1.0
"""Least time between two questions, whatever gives rise to them."""


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
        """Partitions that had been read to their end when the id of their topic, this one, was confirmed last. Kept
        when they are revoked: the deletion of a topic may take its partitions away before it is noticed."""

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
        if self.ids.is_waiting or now < self._asked_at + SOON_S:
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

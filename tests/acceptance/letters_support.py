"""Dead letters as a run leaves them, put on the topic without one, and the commands for them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

import orjson
from acceptance_support import Event, Scene, call_here
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient
from support.topics import Given, produce_events, read_topic
from support.waiting import wait_until

from stream.dead_letters.index import DeadLetterIndex
from stream.kafka.dead_letters import letter_headers
from stream.model.events import DeadLetter, Reason
from stream.model.letters import Letter
from stream.model.records import Headers, Record

PARTITIONS = 2


@dataclass
class LetterScene(Scene):
    """A topic and its dead-letter topic, two partitions each, and the workflows of one receiver."""

    failed_at: float = 1_790_000_000.0

    def create(self) -> None:
        """Both topics."""
        self.broker.create_topic(self.topic, PARTITIONS)
        self.broker.create_topic(self.dead_letters, PARTITIONS)

    def bury(
        self,
        events: Iterable[Event | bytes],
        workflow: str | None = "orders",
        reason: Reason = Reason.REJECTED,
        *,
        group: str | None = None,
        status: str = "400",
        omitted: bool = False,
        topic_id: str = "",
    ) -> list[Record]:
        """Put events on the topic, and a letter of each on the other; the events' records.

        Bytes are no events, and lie in partition 0.
        """
        given = [_given(event) for event in events]
        places = produce_events(self.broker.bootstrap, self.topic, given)
        stored = {(r.partition, r.offset): r for r in read_topic(self.broker.bootstrap, self.topic)}
        records = [stored[place] for place in places]
        self.write_letters(
            (DeadLetter(r, reason, "it said no", workflow, status, 1, topic_id) for r in records),
            group,
            omitted=omitted,
        )
        self.note(records)
        return records

    def write_letters(self, letters: Iterable[DeadLetter], group: str | None = None, *, omitted: bool = False) -> None:
        """Put these letters on the topic."""
        mark: Headers = [("tray.value", b"omitted")] if omitted else []
        written: list[Given] = [
            (
                letter.record.key,
                None if omitted else letter.record.value,
                letter.record.partition,
                letter_headers(letter, group or self.group, self.failed_at) + mark,
            )
            for letter in letters
        ]
        produce_events(self.broker.bootstrap, self.dead_letters, written)

    def recreate(self) -> None:
        """Delete the events' topic, and create it again."""
        with AdminClient({"bootstrap.servers": self.broker.bootstrap}) as admin:
            admin.delete_topics([self.topic])[self.topic].result(20)
            wait_until(lambda: self.topic not in admin.list_topics(timeout=20).topics, "the topic is gone")
        self.broker.create_topic(self.topic, PARTITIONS)

    def expire(self) -> None:
        """Let retention take everything off the events' topic."""
        with AdminClient({"bootstrap.servers": self.broker.bootstrap}) as admin:
            ends = [TopicPartition(self.topic, partition, OFFSET_END) for partition in range(PARTITIONS)]
            for future in admin.delete_records(ends).values():
                future.result(20)

    def note(self, records: Iterable[Record]) -> None:
        """Remember places and users, for what is checked of the order."""
        for record in records:
            try:
                event = orjson.loads(record.value or b"")
                self.places[event["messageId"]] = record.partition, record.offset
                self.users[event["messageId"]] = event["userId"]
            except (ValueError, KeyError, TypeError):
                continue

    def letters(self, *arguments: str) -> CompletedProcess[str]:
        """Run `dead-letters` with these arguments."""
        return call_here(self.directory, "dead-letters", *arguments)

    def told(self, *arguments: str) -> Any:
        """What it prints as JSON; it ends with 0."""
        ended = self.letters(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
        assert found.pop("schema_version") == 1
        return found

    def redrive(self, *arguments: str) -> Any:
        """Send, and what is printed of it."""
        return self.told("redrive", "--execute", *arguments)

    def open_letters(self) -> list[Letter]:
        """As the topic has them."""
        book = DeadLetterIndex(lambda _identity: True)
        for record in read_topic(self.broker.bootstrap, self.dead_letters):
            book.take(record)
        return book.open_letters()

    def ids(self, path: str) -> list[str]:
        """Message ids that a workflow took, in order."""
        return [orjson.loads(arrival.body)["messageId"] for arrival in self.receiver.successes(path)]


def _given(event: Event | bytes) -> Given:
    if isinstance(event, bytes):
        return b"nobody", event, 0, [("origin", b"test")]
    return event["userId"], orjson.dumps(event), None, [("origin", b"test")]

"""A group member with a recording engine, and what tests of the Kafka edge ask of brokers."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import pytest
from assertions import HANG_S
from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from support import topics
from support.mock_cluster import MockCluster
from support.recording_source import RecordingSource, ThreadLoop
from support.topics import Broker

from stream.kafka.client_config import KafkaPolicy, Options, consumer_config
from stream.kafka.consumer_thread import ConsumerThread
from stream.model.errors import StreamError
from stream.model.records import TopicPartition
from stream.model.source import StartedPartition

TIMEOUT_S = HANG_S
SESSION = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
MOCK_SESSION = {"session.timeout.ms": 1600, "heartbeat.interval.ms": 100}
"""On the mock every rebalance of a group with members lasts a second less than the session timeout, or as long."""
QUIET: dict[str, Any] = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200}


class RecordingLogger:
    """Fulfils `Logger`: keeps (level, sentence, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def info(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(("info", sentence, fields))

    def warning(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(("warning", sentence, fields))

    def error(self, sentence: str, /, **fields: object) -> None:
        self.lines.append(("error", sentence, fields))

    def count(self, text: str, level: str | None = None) -> int:
        """Lines that hold `text`."""
        return sum(text in sentence and level in (None, kind) for kind, sentence, _ in self.lines)


def policy_for(broker: Broker, *names: str, group: str | None = None, **more: Any) -> KafkaPolicy:
    """A policy for these topics, with a group named after the first."""
    options = {**QUIET, **more.pop("options", {})}
    classic = more.get("group_protocol", "classic") == "classic"
    session = MOCK_SESSION if isinstance(broker, MockCluster) else SESSION
    consumer_options = {**(session if classic else {}), **more.pop("consumer_options", {})}
    base = KafkaPolicy(broker.bootstrap, names, group or names[0])
    return replace(base, options=options, consumer_options=consumer_options, **{"drain_timeout_s": 2.0, **more})


class Member:
    """A consumer group's member whose engine records; it is stopped at the end of the block, if it still runs."""

    def __init__(self, policy: KafkaPolicy, config: Options | None = None) -> None:
        self.policy = policy
        self.source = RecordingSource()
        self.logger = RecordingLogger()
        self.beats = 0
        self.error: StreamError | None = None
        self.has_ended = False
        self.loop = ThreadLoop()
        self.owner = ConsumerThread(policy, config or consumer_config(policy), self.loop.post, self.logger, self._beat)

    def __enter__(self) -> Self:
        self.loop.__enter__()
        self.owner.begin(self.source, self._on_ended)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.owner.stop()
        self.owner.join(TIMEOUT_S * 2)
        self.loop.__exit__(kind, error, trace)

    def wait(self, condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until it holds.

        Raises:
            AssertionError: it did not in time.
        """
        if not self.loop.wait_for(condition, timeout_s):
            raise AssertionError(f"It did not happen. {self.source.calls[-20:]} {self.error} {self.logger.lines[-5:]}")

    def wait_assigned(self, *partitions: int) -> None:
        """Wait until exactly these partitions are held."""
        self.wait(lambda: {tp.partition for tp in self.source.epochs} == set(partitions))

    def wait_records(self, count: int) -> None:
        """Wait until that many records have come."""
        self.wait(lambda: len(self.source.records) >= count)

    def wait_ended(self, timeout_s: float = TIMEOUT_S) -> StreamError | None:
        """Wait for the end; what ended it."""
        self.wait(lambda: self.has_ended, timeout_s)
        return self.error

    def stop(self) -> float:
        """Stop, and how many seconds that took."""
        began = time.monotonic()
        self.owner.stop()
        self.wait_ended(60)
        return time.monotonic() - began

    def commit(self, *, wait: bool = True) -> None:
        """Commit everything received; wait for the answers."""
        answered = len(self.source.results)
        due = self.on_loop(self.source.due)
        self.owner.commit(due)
        if wait:
            self.wait(lambda: len(self.source.results) >= answered + len(due))

    def on_loop(self, function: Callable[[], Any]) -> Any:
        """Run a function where the engine runs."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.loop.post(lambda: answer.put(function()))
        return answer.get(timeout=TIMEOUT_S)

    def story(self) -> str:
        """What happened, for the message of an assertion."""
        source = self.source
        return f"{source.calls} {source.started} {source.results} {self.logger.lines}"

    def starts(self) -> dict[int, int]:
        """Where each partition was started last."""
        return {one.tp.partition: one.start for one in self.started()}

    def started(self) -> list[StartedPartition]:
        return list(self.source.started)

    def _beat(self) -> None:
        self.beats += 1

    def _on_ended(self, error: StreamError | None) -> None:
        self.error = error
        self.has_ended = True


def fill(broker: Broker, topic: str, count: int, partitions: Sequence[int] = (0,), size: int = 20) -> None:
    """Produce `count` records, in turn to these partitions."""
    events: list[topics.Given] = [
        (f"k{n}", f"{n}".encode().ljust(size, b"."), partitions[n % len(partitions)], None) for n in range(count)
    ]
    topics.produce_events(broker.bootstrap, topic, events)


def until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Look again and again until it holds.

    Raises:
        AssertionError: it did not in time.
    """
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError("It did not happen in time.")
        time.sleep(0.02)  # then the condition that is waited for is looked at again


@contextmanager
def admin_of(broker: Broker, **options: Any) -> Iterator[AdminClient]:
    """A client for administration."""
    with AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET, **options}) as admin:
        yield admin


def delete_records(broker: Broker, topic: str, partition: int, before: int) -> None:
    """Let everything below `before` expire."""
    with admin_of(broker) as admin:
        for future in admin.delete_records([KafkaPartition(topic, partition, before)]).values():
            future.result(TIMEOUT_S)


def delete_topic(broker: Broker, topic: str) -> None:
    """Delete a topic and wait until clients do not see it."""
    with admin_of(broker) as admin:
        admin.delete_topics([topic])[topic].result(TIMEOUT_S)
        until(lambda: topic not in admin.list_topics(timeout=TIMEOUT_S).topics)


def commit_for(broker: Broker, group: str, offsets: dict[TopicPartition, int]) -> None:
    """Commit for a group that has no members."""
    config = {"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, **QUIET}
    with Consumer(config) as consumer:
        where = [KafkaPartition(*tp, offset) for tp, offset in offsets.items()]
        consumer.commit(offsets=where, asynchronous=False)


def committed(broker: Broker, topic: str, group: str | None = None) -> dict[int, int | None]:
    """What the group named after the topic, or another, has committed; empty while the coordinator does not tell."""
    try:
        return topics.committed_offsets(broker.bootstrap, group or topic, topic)
    except KafkaException:
        return {}


def skip_if_mock_refused(broker: Broker, *members: Member) -> None:
    """The mock refuses commits until the last member has its part of a rebalance; Kafka never does that."""
    last = {(result.tp, result.epoch): result.error for member in members for result in member.source.results}
    if "REBALANCE_IN_PROGRESS" in last.values() and isinstance(broker, MockCluster):
        pytest.skip("the mock refused the last commit before a partition moved")


def in_order(offsets: Iterable[int]) -> bool:
    """Whether each is greater than the one before."""
    return all(a < b for a, b in pairwise(offsets))

"""What the tests of syncs share: a bus of their own, syncs of it, and what is on it afterwards."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assertions import HANG_S
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from support.topics import Broker, read_topic

from stream.audience.columns import ColumnLayout
from stream.audience.intake import open_source
from stream.audience.names import Computation, Kind
from stream.audience.sync import Sync, SyncOutcome, SyncPlan
from stream.kafka.client_config import KafkaPolicy

NAME = "Order completed last 30days"
KEY = "order_completed_last_30days"
PARTITIONS = 3
WAIT_S = HANG_S
MARKERS_S = 10.0

_NOT_YET = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC})

Event = dict[str, Any]


@dataclass
class Bus:
    """A topic with events, and the files and commands that write to it."""

    broker: Broker
    topic: str
    directory: Path
    policy: KafkaPolicy = field(init=False)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the topic."""
        self.broker.create_topic(self.topic, PARTITIONS)
        silent = logging.Logger("sync", logging.CRITICAL + 1)
        self.policy = KafkaPolicy(self.broker.bootstrap, (self.topic,), "tray", logger=silent)

    @property
    def state_topic(self) -> str:
        """Where the last state is kept."""
        return f"{self.topic}.audiences"

    def file(self, members: Iterable[str], name: str = "members.csv") -> Path:
        """A file with these members."""
        path = self.directory / name
        path.write_text("user_id\n" + "".join(f"{member}\n" for member in members))
        return path

    def sync(self, members: Iterable[str], name: str = NAME, dry_run: bool = False) -> SyncOutcome:
        """Sync an audience in this process."""
        return self._sync("audience", name, self.file(members), dry_run)

    def sync_values(self, values: dict[str, str], name: str = NAME) -> SyncOutcome:
        """Sync a trait in this process."""
        path = self.directory / "values.csv"
        path.write_text("user_id,value\n" + "".join(f"{user},{value}\n" for user, value in values.items()))
        return self._sync("trait", name, path, dry_run=False)

    def _sync(self, kind: Kind, name: str, path: Path, dry_run: bool) -> SyncOutcome:
        layout = ColumnLayout("--members", has_values=kind == "trait")
        plan = SyncPlan(Computation.named(kind, name), layout, dry_run, True, False, "tray.io")
        with open_source(str(path), "--members") as source:
            return Sync(plan, source, self.policy, time.time, lambda _step, _count: None).run()

    def start(self, *arguments: str, name: str = NAME) -> subprocess.Popen[bytes]:
        """Start `tray-stream audience sync` as a user does."""
        command = [sys.executable, "-m", "stream", "audience", "sync", name, *arguments]
        command += ["--bootstrap-servers", self.broker.bootstrap, "--topic", self.topic]
        pipe = subprocess.PIPE
        sync = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.directory)
        self._started.append(sync)
        return sync

    def close(self) -> None:
        """End what a test that failed has left behind."""
        for sync in self._started:
            sync.kill()
            sync.communicate()

    def events(self) -> list[Event]:
        """Every committed event, by partition and offset."""
        self._await_markers()
        return [json.loads(record.value or b"") for record in read_topic(self.broker.bootstrap, self.topic)]

    def histories(self, key: str = KEY) -> dict[str, list[object]]:
        """Of each user the values that he was told, in order."""
        found: dict[str, list[object]] = defaultdict(list)
        for event in self.events():
            if key in event["traits"]:
                found[event["userId"]].append(event["traits"][key])
        return found

    def state(self, key: str = KEY) -> dict[str, object]:
        """Of each user what the state topic knows."""
        found: dict[str, object] = {}
        for record in read_topic(self.broker.bootstrap, self.state_topic):
            match json.loads(record.key or b""):
                case [first, user] if first == key and record.value:
                    found[user] = json.loads(record.value)
                case [first, user] if first == key:
                    found.pop(user, None)
        return found

    def _await_markers(self) -> None:
        """Kafka writes the marker of a transaction that it has acknowledged a little later; one may stay open."""
        give_up_at = time.monotonic() + MARKERS_S
        with self._reader("read_uncommitted") as all_of_it, self._reader("read_committed") as done:
            while (
                _sum_of_ends(done, self.topic) < _sum_of_ends(all_of_it, self.topic) and time.monotonic() < give_up_at
            ):
                time.sleep(0.02)

    def ends(self, isolation: str = "read_uncommitted") -> int:
        """Ends of the topic's partitions, summed: what is written, or what may be read of it."""
        with self._reader(isolation) as consumer:
            return _sum_of_ends(consumer, self.topic)

    def wait_for_records(self, count: int, sync: subprocess.Popen[bytes]) -> None:
        """Return as soon as that many records are written, committed or not, or the sync has ended."""
        deadline = time.monotonic() + WAIT_S
        with self._reader("read_uncommitted") as consumer:
            while sync.poll() is None and _sum_of_ends(consumer, self.topic) < count:
                assert time.monotonic() < deadline, "the sync writes nothing"

    @contextmanager
    def _reader(self, isolation: str) -> Iterator[Consumer]:
        config = {"bootstrap.servers": self.broker.bootstrap, "group.id": "none", "log_level": 0}
        consumer = Consumer(config | {"isolation.level": isolation})
        try:
            yield consumer
        finally:
            consumer.close()


def _sum_of_ends(consumer: Consumer, topic: str) -> int:
    return sum(_end(consumer, TopicPartition(topic, number)) for number in range(PARTITIONS))


def _end(consumer: Consumer, tp: TopicPartition) -> int:
    """Asked again while the topic has only just been made."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            answer = consumer.get_watermark_offsets(tp, timeout=WAIT_S)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                raise
        else:
            assert answer is not None
            return answer[1]


def numbered(prefix: str, numbers: Iterable[int]) -> list[str]:
    """Ids such as u-7."""
    return [f"{prefix}-{number}" for number in numbers]

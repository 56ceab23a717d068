"""The compacted topic with the last state: created when missing, and read from beginning to end.

| record                                          | key                | value                                    |
|-------------------------------------------------|--------------------|------------------------------------------|
| head, one for each audience and trait           | `["<key>"]`        | its exact name, and how many changes     |
| a user in an audience, or with a trait's value  | `["<key>","<id>"]` | `true`, or the value; none: user removed |

Keys and values are JSON without blanks. Audiences and traits share the keys, since both write a trait of that name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from stream.audience.names import Computation, Kind
from stream.audience.runs import MemberRow, SortedLines, as_line
from stream.kafka.batches import sort_polled
from stream.kafka.client_config import KafkaPolicy, Options, common_config, open_client, reader_config
from stream.kafka.codes import as_source_error, error_word, is_refused, is_transient, kafka_error
from stream.kafka.topics import Topics
from stream.model.errors import MissingTopicError, RefusedError, SourceError, config_error
from stream.model.records import Record, TopicPartition

SUFFIX = ".audiences"
TIMEOUT_S = 30.0
PATIENCE_S = 60.0
"""Longer than the open transaction of a sync that was killed may hold up readers."""
PREFETCHED_RECORDS = 20_000
"""Held by the client while it waits for us, whatever the number of partitions: they are read one by one."""
_BATCH = 1000
_POLL_S = 0.05
_CONFIG = {"cleanup.policy": "compact"}


@dataclass(frozen=True)
class StateHead:
    """What the topic remembers of an audience or trait as a whole; written anew with every transaction."""

    kind: Kind
    name: str
    id: str
    registered_at: str
    partitions: int
    """Of the state topic. Were it to grow, a user's old and new record could lie apart and both be kept."""
    changes: int = 0
    """Events written so far. It numbers them, so that each has a messageId of its own forever."""
    synced_at: str = ""

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> StateHead:
        """Raises SourceError: the record is not a state record."""
        try:
            return cls(**orjson.loads(value))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise SourceError("The state topic holds a record that is not of this program's form.") from error

    def refuse_other(self, wanted: Computation, partitions: int) -> None:
        """Raise ConfigError where this head is another computation's, or its topic has grown."""
        if (self.kind, self.name) != (wanted.kind, wanted.name):
            what = f'"{wanted.name}" has the key {wanted.key}, which the {self.kind} "{self.name}" has already.'
            raise config_error("NAME", what, "Use that exact name if it is the same one, else another name.")
        if self.partitions != partitions:
            what = f"had {self.partitions} partitions when {self.kind} {wanted.key} began and has {partitions} now."
            raise config_error(
                "state topic", what, "A compacted topic must not grow: recreate it; then all are sent anew."
            )


def head_key(key: str) -> bytes:
    """Key of the head's record."""
    return orjson.dumps([key])


def user_key_prefix(key: str) -> bytes:
    """What the keys of all users' records of one computation begin with."""
    return orjson.dumps([key])[:-1] + b","


def user_key(prefix: bytes, user: bytes) -> bytes:
    """Key of one user's record; `user` is the id as a JSON string."""
    return prefix + user + b"]"


def user_of_key(prefix: bytes, key: bytes) -> bytes:
    """The way back from `user_key`."""
    return key[len(prefix) : -1]


class StateTopic:
    """Blocking. Every call raises SourceError when Kafka does not answer, RefusedError when it refuses."""

    def __init__(self, policy: KafkaPolicy) -> None:
        self.source = policy.topics[0]
        self.name = self.source + SUFFIX
        self.partitions = 0
        """0: the topic does not exist."""
        self._policy = policy
        self._topics = Topics(common_config(policy))
        self._admin = open_client(AdminClient, common_config(policy))

    def find(self) -> int:
        """Partitions of the source topic; those of this one are in `partitions` from then on.

        Raises:
            MissingTopicError: the source topic does not exist.
            ConfigError: this topic is there and may forget what it should keep.
        """
        counts = self._topics.partition_counts()
        if self.source not in counts:
            raise MissingTopicError(f"The topic {self.source} does not exist, or we may not see it.")
        self.partitions = counts.get(self.name, 0)
        cleanup = self._topics.topic_config(self.name).get("cleanup.policy") if self.partitions else None
        if cleanup not in (None, "", "compact"):
            what = f"has cleanup.policy={cleanup}, so it forgets members who stay members."
            raise config_error(f"topic {self.name}", what, "Set cleanup.policy=compact.")
        return counts[self.source]

    def create(self, partitions: int) -> None:
        """Create the topic and wait until each partition has a leader."""
        wanted = NewTopic(self.name, partitions, config=_CONFIG)
        try:
            self._admin.create_topics([wanted], request_timeout=TIMEOUT_S)[self.name].result(TIMEOUT_S)
        except KafkaException as error:
            if kafka_error(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _not_created(kafka_error(error), self.name, partitions) from error
        except TimeoutError as error:
            raise as_source_error(KafkaError(KafkaError._TIMED_OUT), f"creating {self.name}") from error
        self.partitions = _await_leaders(self._admin, self.name)

    def read(self, key: str, known: SortedLines, progress: Callable[[int], None]) -> StateHead | None:
        """Put the state of each user of one computation into `known`, removed ones with an empty value.

        Returns its head, None if there is none. The end is the one at the call, even where it is held up by
        open transactions of other audiences, so nothing that was committed before is missed.
        """
        prefix, of_head = user_key_prefix(key), head_key(key)
        head: bytes | None = None
        for number, record in enumerate(self._records()):
            found = record.key or b""
            if found == of_head:
                head = record.value
            elif found.startswith(prefix):
                known.add(as_line(MemberRow(user_of_key(prefix, found), record.value or b""), number))
            if number % _BATCH == 0:
                progress(number)
        return StateHead.decode(head) if head else None

    def _records(self) -> Iterator[Record]:
        ends = self._ends()
        consumer = open_client(Consumer, _state_reader_config(self._policy))
        try:
            consumer.list_topics(self.name, timeout=TIMEOUT_S)  # else it finds the leaders half a second later
            for partition, end in ends.items():
                consumer.assign([KafkaPartition(self.name, partition, OFFSET_BEGINNING)])
                yield from _read_until(consumer, TopicPartition(self.name, partition), end)
        except KafkaException as error:
            raise as_source_error(error, f"reading {self.name}") from error
        finally:
            consumer.close()

    def _ends(self) -> dict[int, int]:
        """The end of each partition that has records, those of open transactions counted."""
        newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's own types lack it
        latest = {KafkaPartition(self.name, number): newest for number in range(self.partitions)}
        uncommitted = IsolationLevel.READ_UNCOMMITTED
        try:
            answers = self._admin.list_offsets(latest, isolation_level=uncommitted, request_timeout=TIMEOUT_S)
            ends = {tp.partition: answer.result(TIMEOUT_S).offset for tp, answer in answers.items()}
        except KafkaException as error:
            raise as_source_error(error, f"asking for the end of {self.name}") from error
        except TimeoutError as error:
            raise as_source_error(KafkaError(KafkaError._TIMED_OUT), f"asking for the end of {self.name}") from error
        return {number: end for number, end in ends.items() if end > 0}


def _state_reader_config(policy: KafkaPolicy) -> Options:
    prompt = {"fetch.queue.backoff.ms": 10, "fetch.wait.max.ms": 10}  # a wait at one's end delays the next partition
    return {**reader_config(policy), **prompt, "queued.min.messages": PREFETCHED_RECORDS}


def _read_until(consumer: Consumer, tp: TopicPartition, end: int) -> Iterator[Record]:
    """Records of the one assigned partition, until the reader has come to its end.

    What still comes of the partition that was assigned before does not count: its end may lie beyond this one's.
    """
    position, waiting_since = 0, time.monotonic()
    while position < end:
        polled = sort_polled(consumer.consume(_BATCH, timeout=_POLL_S), {tp: 0})
        for _, error in polled.errors:
            raise KafkaException(error)
        for batch in polled.batches:
            yield from batch.records
        position = max([position, *(reached for _, _, reached in polled.ends)])
        if polled.batches or polled.ends:
            waiting_since = time.monotonic()
        elif time.monotonic() - waiting_since > PATIENCE_S:
            raise SourceError(
                f"{tp.topic}:{tp.partition} cannot be read to its end: an open transaction, or a partition without a "
                f"leader, has held it up for {PATIENCE_S:.0f} s. Try again later."
            )


def _await_leaders(admin: AdminClient, topic: str) -> int:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            found = admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions.values()
        except KafkaException as error:
            raise as_source_error(error, f"waiting for {topic}") from error
        if found and all(partition.leader >= 0 for partition in found):
            return len(found)
        time.sleep(_POLL_S)
    raise SourceError(f"The topic {topic} was created and has no leader after {TIMEOUT_S:.0f} s.")


def _not_created(error: KafkaError, topic: str, partitions: int) -> SourceError:
    kind = RefusedError if is_refused(error) else SourceError if is_transient(error) else MissingTopicError
    return kind(
        f"The topic {topic}, which keeps the last state, is missing and Kafka did not let us create it "
        f"({error_word(error)}). Create it: kafka-topics.sh --bootstrap-server … --create --topic {topic} "
        f"--partitions {partitions} --config cleanup.policy=compact"
    )

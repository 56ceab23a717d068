"""Consumer groups from outside, without joining them: state, commits with their metadata, writing and deleting."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import NO_COORDINATOR_YET, as_source_error, kafka_error
from stream.kafka.reader import committed
from stream.model.committed import Committed
from stream.model.errors import SourceError
from stream.model.records import TopicPartition

TIMEOUT_S = 10.0
AGAIN_AFTER_S = 0.2
T = TypeVar("T")
_IDLE = ("empty", "dead")


class GroupActiveError(SourceError):
    """The group has members, and its offsets are theirs."""


@dataclass(frozen=True)
class GroupMember:
    """A member of a group, and the partitions that it has."""

    id: str
    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True)
class GroupState:
    """What a group is doing, in Kafka's word for it, and who is in it. A group that does not exist is `dead`."""

    word: str
    members: tuple[GroupMember, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether it has no members, so that its offsets may be set from outside."""
        return self.word in _IDLE


class Groups:
    """Blocking; for start and commands. Raises SourceError, RefusedError where Kafka refuses."""

    def __init__(self, config: Options) -> None:
        self._config = config
        self._admin = open_client(AdminClient, config)

    def describe(self, group: str) -> GroupState:
        """What the group is doing."""
        doing = f"describing the group {group}"
        try:
            found = _coordinated(lambda: _result(self._admin.describe_consumer_groups([group])[group], doing))
        except SourceError as error:
            if isinstance(error.__cause__, KafkaException) and _is_unknown(error.__cause__):
                return GroupState("dead")
            raise
        return GroupState(_word(found.state), tuple(map(_member, found.members)))

    def require_idle(self, group: str) -> None:
        """Raises GroupActiveError when the group has members."""
        found = self.describe(group)
        if not found.is_idle:
            raise GroupActiveError(
                f"The group {group} is active ({found.word}, members: {len(found.members)}). Stop each process that "
                "runs it (SIGTERM) first, then try again. One that was killed is a member until its session times out."
            )

    def committed(self, group: str, tps: Collection[TopicPartition]) -> dict[TopicPartition, Committed]:
        """What the group has committed, for those of the partitions where it has."""
        with self._outsider(group) as consumer:
            found = _coordinated(lambda: committed(consumer, tps, TIMEOUT_S)) if tps else {}
        return {tp: Committed(*commit) for tp, commit in found.items()}

    def write(self, group: str, commits: Mapping[TopicPartition, Committed]) -> None:
        """Set the group's offsets. Raises GroupActiveError when it has members, which Kafka holds to as well."""
        self.require_idle(group)
        wanted = [KafkaPartition(tp.topic, tp.partition, c.offset, c.metadata) for tp, c in commits.items()]
        with self._outsider(group) as consumer:
            _coordinated(lambda: _commit(consumer, wanted, f"writing the offsets of {group}"))

    @contextmanager
    def _outsider(self, group: str) -> Iterator[Consumer]:
        """A consumer that names the group and never joins it.

        The admin client could ask and write as well, but librdkafka 2.16 crashes in it when the group's coordinator is
        not ready (its answer is handled as if the client had a group).
        """
        consumer = open_client(Consumer, {**self._config, "group.id": group, "enable.auto.commit": False})
        try:
            yield consumer
        finally:
            consumer.close()

    def delete(self, group: str) -> None:
        """Forget the group and its offsets; one that does not exist is fine."""
        try:
            _result(self._admin.delete_consumer_groups([group])[group], f"deleting the group {group}")
        except SourceError as error:
            if not (isinstance(error.__cause__, KafkaException) and _is_unknown(error.__cause__)):
                raise


def _commit(consumer: Consumer, wanted: list[KafkaPartition], doing: str) -> None:
    try:
        answers = consumer.commit(offsets=wanted, asynchronous=False) or []
    except KafkaException as error:
        raise as_source_error(error, doing) from error
    for answer in answers:
        if answer.error is not None:
            raise as_source_error(answer.error, doing) from KafkaException(answer.error)


def _coordinated(ask: Callable[[], T]) -> T:
    """Ask again while the group's coordinator is on its way: a broker that comes up, or takes over, says so."""
    give_up_at = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except SourceError as error:
            cause = error.__cause__
            is_on_its_way = isinstance(cause, KafkaException) and kafka_error(cause).code() in NO_COORDINATOR_YET
            if not is_on_its_way or time.monotonic() > give_up_at:
                raise
        time.sleep(AGAIN_AFTER_S)


def _result(future: Future[Any], doing: str) -> Any:
    try:
        return future.result(TIMEOUT_S)
    except KafkaException as error:
        raise as_source_error(error, doing) from error
    except FutureTimeoutError as error:
        raise as_source_error(KafkaError(KafkaError._TIMED_OUT), doing) from error


def _member(found: Any) -> GroupMember:
    partitions = found.assignment.topic_partitions if found.assignment else []
    tps = sorted(TopicPartition(tp.topic, tp.partition) for tp in partitions)
    return GroupMember(found.member_id, found.client_id, found.host, tuple(tps))


def _is_unknown(error: KafkaException) -> bool:
    return kafka_error(error).code() == KafkaError.GROUP_ID_NOT_FOUND


def _word(state: ConsumerGroupState) -> str:
    return str(state.name).lower()

"""What Kafka lets us do with topics and groups, as it says itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Literal

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from stream.kafka.client_config import Options, open_client
from stream.kafka.codes import is_refused, kafka_error

TIMEOUT_S = 5.0

Operations = frozenset[str] | None
"""Names of operations, such as `Read`; empty: we may not even see it; None: Kafka does not tell."""


class Permissions:
    """Blocking. Where there is no authoriser everything is allowed, and Kafka says so."""

    def __init__(self, config: Options) -> None:
        self._admin = open_client(AdminClient, config)

    def of_topics(self, topics: Collection[str]) -> dict[str, Operations]:
        """What may be done with each topic."""
        if not topics:
            return {}
        collection = TopicCollection(list(topics))
        return _answers(
            self._admin.describe_topics(collection, include_authorized_operations=True, request_timeout=TIMEOUT_S)
        )

    def of_groups(self, groups: Collection[str]) -> dict[str, Operations]:
        """What may be done with each consumer group, whether it exists or not."""
        if not groups:
            return {}
        return _answers(
            self._admin.describe_consumer_groups(
                list(groups), include_authorized_operations=True, request_timeout=TIMEOUT_S
            )
        )


def lacks(operations: Operations, wanted: str) -> bool:
    """Whether Kafka says that we may not; any right to something implies that it may be described."""
    if operations is None or (wanted == "Describe" and operations):
        return False
    return wanted not in operations


def grant(operation: str, kind: Literal["topic", "group"], name: str) -> str:
    """The command that allows it."""
    return f"kafka-acls.sh --bootstrap-server … --add --allow-principal User:… --operation {operation} --{kind} {name}"


def _answers(futures: Mapping[str, Future[Any]]) -> dict[str, Operations]:
    return {name: _operations(future) for name, future in futures.items()}


def _operations(future: Future[Any]) -> Operations:
    try:
        allowed = future.result(TIMEOUT_S * 2).authorized_operations
    except KafkaException as error:
        return frozenset() if is_refused(kafka_error(error)) else None
    except FutureTimeoutError:
        return None
    return None if allowed is None else frozenset(operation.name.title().replace("_", "") for operation in allowed)

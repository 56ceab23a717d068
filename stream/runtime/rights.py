"""What Kafka has to allow before a run begins; asked ahead, since a run would meet some refusals only hours later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from stream.kafka.client_config import KafkaPolicy, common_config
from stream.kafka.permissions import Permissions, grant, lacks
from stream.kafka.topics import Topics
from stream.model.errors import RefusedError
from stream.runtime.group_layout import needed_rights
from stream.runtime.policies import dead_letter_plan
from stream.settings.model import Settings

Kind = Literal["topic", "group"]


def require_rights(settings: Settings, kafka: KafkaPolicy, timeout_s: float) -> None:
    """Read on the topics and the groups, Write on a dead-letter topic that exists. Blocking.

    Raises:
        RefusedError: Kafka says that we may not; every right that is missing is named, with the command that gives it.
        SourceError: Kafka does not answer.
    """
    existing = Topics(common_config(kafka)).partition_counts(timeout_s)  # also tells whether we may log in at all
    missing = list(_missing(settings, Permissions(common_config(kafka)), existing))
    if missing:
        raise RefusedError("\n  ".join(["Kafka does not allow what a run does:", *missing]))


def _missing(settings: Settings, permissions: Permissions, existing: dict[str, int]) -> Iterator[str]:
    named = [topic for topic in settings.kafka.topics if not topic.startswith("^")]
    for topic, operations in permissions.of_topics(named).items():
        if lacks(operations, "Read"):
            yield _refusal("Read", "topic", topic)
    letters = dead_letter_plan(settings).topic
    written = [letters] if settings.dead_letter.enabled and letters in existing else []
    for topic, operations in permissions.of_topics(written).items():
        if lacks(operations, "Write"):
            yield _refusal("Write", "topic", topic)
    groups = [group for group, right in needed_rights(settings).items() if right == "Read"]
    for group, operations in permissions.of_groups(groups).items():
        if lacks(operations, "Read"):
            yield _refusal("Read", "group", group)


def _refusal(operation: str, kind: Kind, name: str) -> str:
    code = f"{kind.upper()}_AUTHORIZATION_FAILED"
    return f"{operation} on the {kind} {name} ({code}). Allow it: {grant(operation, kind, name)}"

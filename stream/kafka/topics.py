"""Topics that must be there before the first event: the sources, and the dead-letter topic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from stream.core.errors import MissingTopicError, RefusedError, SourceError
from stream.kafka.client_config import Options, open_client, served
from stream.kafka.codes import as_source_error, is_refused, is_transient, kafka_error

TIMEOUT_S = 10.0
HEADER_ROOM_BYTES = 64 * 1024
LEAST_RETENTION_MS = 7 * 24 * 3600 * 1000


@dataclass(frozen=True)
class DeadLetterPlan:
    """What the dead-letter topic should be."""

    topic: str
    create: bool
    retention_s: float


class Topics:
    """Blocking; for start and `check`. Raises SourceError, RefusedError where Kafka refuses."""

    def __init__(self, config: Options) -> None:
        self._refusal: KafkaError | None = None
        with_callback: dict[str, Any] = {**config, "error_cb": self._on_error}
        self._admin = open_client(AdminClient, with_callback)

    def partition_counts(self, timeout_s: float = TIMEOUT_S) -> dict[str, int]:
        """Every topic of the cluster that we may see, and its number of partitions."""
        try:
            topics = self._admin.list_topics(timeout=timeout_s).topics
        except KafkaException as error:
            served(self._admin.poll, lambda: self._refusal is not None)
            raise as_source_error(self._refusal or error, "asking for its topics") from error
        return {name: len(metadata.partitions) for name, metadata in topics.items() if metadata.error is None}

    def ensure_dead_letters(self, plan: DeadLetterPlan, sources: Iterable[str]) -> int:
        """Partitions of the dead-letter topic, created if it is missing and may be.

        Raises:
            MissingTopicError, RefusedError: it is missing and we may not create it; the text has the command that does.
        """
        counts = self.partition_counts()
        if plan.topic in counts:
            return counts[plan.topic]
        existing = [name for name in sources if name in counts]
        partitions = counts[existing[0]] if existing else 1
        config = {"cleanup.policy": "delete", "retention.ms": str(int(plan.retention_s * 1000))}
        if largest := max(map(self._largest_record, existing), default=0):
            config["max.message.bytes"] = str(largest + HEADER_ROOM_BYTES)
        if not plan.create:
            raise MissingTopicError(_missing(plan.topic, partitions, config, "and dead_letter.create is false"))
        self._create(plan.topic, partitions, config)
        return self.partition_counts().get(plan.topic, partitions)

    def topic_config(self, topic: str) -> dict[str, str]:
        """The topic's configuration; empty when Kafka does not tell."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            entries = self._admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result(TIMEOUT_S)
        except (KafkaException, TimeoutError):
            return {}
        return {name: entry.value for name, entry in entries.items()}

    def dead_letter_findings(self, topic: str) -> list[str]:
        """What makes an existing dead-letter topic forget letters too early."""
        config = self.topic_config(topic)
        findings = []
        if "compact" in config.get("cleanup.policy", ""):
            findings.append(f"The dead-letter topic {topic} compacts: letters with the same key replace one another.")
        retention_ms = int(config.get("retention.ms", "-1"))
        if 0 <= retention_ms < LEAST_RETENTION_MS:
            findings.append(f"The dead-letter topic {topic} keeps letters for less than 7 days ({retention_ms} ms).")
        return findings

    def _largest_record(self, topic: str) -> int:
        return int(self.topic_config(topic).get("max.message.bytes", "0"))

    def _create(self, topic: str, partitions: int, config: dict[str, str]) -> None:
        future = self._admin.create_topics([NewTopic(topic, partitions, config=config)], request_timeout=TIMEOUT_S)[
            topic
        ]
        try:
            future.result(TIMEOUT_S * 2)
        except TimeoutError as error:
            raise as_source_error(KafkaError(KafkaError._TIMED_OUT), f"creating the topic {topic}") from error
        except KafkaException as error:
            inner = kafka_error(error)
            if inner.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            kind = RefusedError if is_refused(inner) else SourceError if is_transient(inner) else MissingTopicError
            raise kind(
                _missing(topic, partitions, config, f"and Kafka did not let us create it ({inner.name()})")
            ) from error

    def _on_error(self, error: KafkaError) -> None:
        if is_refused(error):
            self._refusal = error


def _missing(topic: str, partitions: int, config: dict[str, str], why: str) -> str:
    options = " ".join(f"--config {name}={value}" for name, value in config.items())
    return (
        f"The dead-letter topic {topic} is missing {why}. Create it: "
        f"kafka-topics.sh --bootstrap-server … --create --topic {topic} --partitions {partitions} {options}"
    )

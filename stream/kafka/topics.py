"""Topics that must be there before the first event: the sources, and the dead-letter topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from stream.kafka.client_config import Options, open_client, served
from stream.kafka.codes import as_source_error, error_word, is_refused, is_transient, kafka_error
from stream.model.errors import MissingTopicError, RefusedError, SourceError

TIMEOUT_S = 10.0
SOON_S = 1.0
"""When it is looked for a refusal for the first time."""
HEADER_ROOM_BYTES = 64 * 1024
MOST_DEAD_LETTER_PARTITIONS = 1000
"""Of a dead-letter topic that is created here, however many its source has: Kafka does not create 10,000 at once, and
letters are few. One of a partition that the dead-letter topic does not have goes to a partition by its key."""
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
        soon = min(SOON_S, timeout_s)
        try:
            topics = self._topics(soon) or self._topics(timeout_s - soon) or {}
        except KafkaException as error:
            raise as_source_error(self._refusal or error, "asking for its topics") from error
        return {name: len(metadata.partitions) for name, metadata in topics.items() if metadata.error is None}

    def _topics(self, timeout_s: float) -> Any:
        """None: there was no answer in time, and no refusal; the client itself would wait on after one."""
        try:
            return self._admin.list_topics(timeout=timeout_s).topics
        except KafkaException:
            is_refused = served(self._admin.poll, lambda: self._refusal is not None)
            if is_refused or timeout_s != SOON_S:
                raise
            return None

    def ensure_dead_letters(self, plan: DeadLetterPlan, sources: Iterable[str]) -> int:
        """Partitions of the dead-letter topic, created if it is missing and may be.

        Raises:
            MissingTopicError, RefusedError: it is missing and we may not create it; the text has the command that does.
        """
        counts = self.partition_counts()
        if plan.topic in counts:
            return counts[plan.topic]
        missing = self._missing_topic(plan, sources, counts)
        self._create(plan, missing)
        return self.partition_counts().get(plan.topic, missing.num_partitions)

    def try_dead_letters(self, plan: DeadLetterPlan, sources: Iterable[str]) -> None:
        """Whether `ensure_dead_letters` would create the missing topic; nothing is created.

        Raises:
            MissingTopicError, RefusedError: it would not; the text has the command that does.
        """
        self._create(plan, self._missing_topic(plan, sources, self.partition_counts()), only_try=True)

    def topic_config(self, topic: str) -> dict[str, str]:
        """The topic's configuration; empty when Kafka does not tell."""
        return self._config(ConfigResource(ResourceType.TOPIC, topic))

    def dead_letter_findings(self, topic: str, sources: Iterable[str] = ()) -> list[str]:
        """What makes an existing dead-letter topic forget letters too early, or take them without their values."""
        config = self.topic_config(topic)
        findings = []
        if "compact" in config.get("cleanup.policy", ""):
            findings.append(f"The dead-letter topic {topic} compacts: letters with the same key replace one another.")
        retention_ms = int(config.get("retention.ms", "-1"))
        if 0 <= retention_ms < LEAST_RETENTION_MS:
            findings.append(f"The dead-letter topic {topic} keeps letters for less than 7 days ({retention_ms} ms).")
        if wanted := self._letter_bytes(sources):
            findings += _too_small(topic, int(config.get("max.message.bytes", wanted)), wanted)
        return findings

    def broker_option(self, name: str) -> str:
        """An option of one of the brokers; empty when Kafka does not tell."""
        try:
            broker = next(iter(self._admin.list_topics(timeout=TIMEOUT_S).brokers))
        except (KafkaException, StopIteration):
            return ""
        return self._config(ConfigResource(ResourceType.BROKER, str(broker))).get(name, "")

    def _config(self, resource: ConfigResource) -> dict[str, str]:
        try:
            entries = self._admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result(TIMEOUT_S)
        except (KafkaException, TimeoutError):
            return {}
        return {name: entry.value for name, entry in entries.items()}

    def _letter_bytes(self, sources: Iterable[str]) -> int:
        """Room that the largest record of the sources needs with the headers of a letter; 0 when it is not known."""
        largest = max((int(self.topic_config(topic).get("max.message.bytes", "0")) for topic in sources), default=0)
        return largest and largest + HEADER_ROOM_BYTES

    def _missing_topic(self, plan: DeadLetterPlan, sources: Iterable[str], counts: dict[str, int]) -> NewTopic:
        """The dead-letter topic as it should be created."""
        existing = [name for name in sources if name in counts]
        config = {"cleanup.policy": "delete", "retention.ms": str(int(plan.retention_s * 1000))}
        if room := self._letter_bytes(existing):
            config["max.message.bytes"] = str(room)
        partitions = min(counts[existing[0]], MOST_DEAD_LETTER_PARTITIONS) if existing else 1
        return NewTopic(plan.topic, partitions, config=config)

    def _create(self, plan: DeadLetterPlan, topic: NewTopic, only_try: bool = False) -> None:
        if not plan.create:
            raise MissingTopicError(_missing(topic, "and dead_letter.create is false"))
        asked = self._admin.create_topics([topic], request_timeout=TIMEOUT_S, validate_only=only_try)
        try:
            asked[topic.topic].result(TIMEOUT_S * 2)
        except TimeoutError as error:
            raise as_source_error(KafkaError(KafkaError._TIMED_OUT), f"creating the topic {topic.topic}") from error
        except KafkaException as error:
            inner = kafka_error(error)
            if inner.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            kind = RefusedError if is_refused(inner) else SourceError if is_transient(inner) else MissingTopicError
            raise kind(_missing(topic, f"and Kafka did not let us create it ({error_word(inner)})")) from error

    def _on_error(self, error: KafkaError) -> None:
        if is_refused(error):
            self._refusal = error


def _missing(topic: NewTopic, why: str) -> str:
    options = " ".join(f"--config {name}={value}" for name, value in (topic.config or {}).items())
    return (
        f"The dead-letter topic {topic.topic} is missing {why}. Create it: kafka-topics.sh --bootstrap-server … "
        f"--create --topic {topic.topic} --partitions {topic.num_partitions} {options}"
    )


def _too_small(topic: str, room: int, wanted: int) -> Iterator[str]:
    if room < wanted:
        yield (
            f"The dead-letter topic {topic} takes {room} bytes, less than the largest event with a letter's headers: "
            "such a letter goes without the event. Fix it: kafka-configs.sh --bootstrap-server … --alter "
            f"--entity-type topics --entity-name {topic} --add-config max.message.bytes={wanted}"
        )

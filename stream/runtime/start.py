"""What must answer before the first event is read: the dead-letter topic, the layout, for `--until-end` the ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.diagnosis import diagnosed
from stream.kafka.permissions import Permissions, grant, lacks
from stream.kafka.reader import OffsetReader, matches_any
from stream.kafka.topics import DeadLetterPlan, Topics
from stream.model.errors import MissingTopicError, RefusedError, SourceError, UnreachableError
from stream.model.ports import Logger
from stream.model.records import TopicPartition
from stream.runtime.group_layout import check_layout, needed_rights
from stream.runtime.offset_watch import Ranges
from stream.runtime.policies import dead_letter_plan
from stream.settings.model import Settings

AGAIN_AFTER_S = 2.0
TELL_AGAIN_S = 60.0
ASK_TIMEOUT_S = 5.0
"""How long one question may take; a stop waits for it."""
T = TypeVar("T")


@dataclass(frozen=True)
class StartFacts:
    """What Kafka said before the first event."""

    dead_letter_partitions: int
    """0 when there is no dead-letter topic."""
    ranges: Ranges | None
    """Where `--until-end` ends."""


async def ask_kafka(
    settings: Settings, kafka: KafkaPolicy, asker: Asker, *, until_end: bool, inspect_topics: bool
) -> StartFacts:
    """Ask until Kafka answers; what is wrong with the dead-letter topic is said to the log.

    Raises:
        StreamError: the answer is no.
    """
    if inspect_topics:
        await asker.until_answered(lambda: require_rights(settings, kafka, ASK_TIMEOUT_S))
    ranges = await asker.until_answered(lambda: read_ranges(kafka)) if until_end else None
    partitions = 0
    if settings.dead_letter.enabled:
        plan = dead_letter_plan(settings)
        partitions, findings = await asker.until_answered(lambda: prepare_dead_letters(kafka, plan, inspect_topics))
        for finding in findings:
            asker.logger.warning(finding)
    if inspect_topics:
        unseen = await asker.until_answered(lambda: check_layout(settings, kafka))
        if unseen:
            what = "Kafka does not let us see groups that workflows of their own would have; they count as never used."
            asker.logger.info(what, groups=" ".join(unseen))
    return StartFacts(partitions, ranges)


async def unless_stopped(question: Coroutine[Any, Any, T], stopped: asyncio.Event) -> T | None:
    """The answer; None when a stop came before it."""
    answer = asyncio.ensure_future(question)
    stop = asyncio.ensure_future(stopped.wait())
    await asyncio.wait((answer, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not answer.done():
        answer.cancel()
        return None
    return answer.result()


def prepare_dead_letters(policy: KafkaPolicy, plan: DeadLetterPlan, inspect: bool) -> tuple[int, list[str]]:
    """(partitions of the dead-letter topic, what is wrong with it). Blocking.

    Raises:
        SourceError: no topic to read exists yet, whose partitions and sizes the dead-letter topic could follow.
    """
    topics = Topics(common_config(policy))
    counts = topics.partition_counts(ASK_TIMEOUT_S)
    sources = source_topics(policy, counts)
    if not sources:
        raise SourceError(f"No topic {', '.join(policy.topics)} on this cluster yet.")
    partitions = topics.ensure_dead_letters(plan, sources)
    findings = topics.dead_letter_findings(plan.topic, sources) if inspect and plan.topic in counts else []
    return partitions, findings


def count_dead_letters(policy: KafkaPolicy, plan: DeadLetterPlan) -> int:
    """Partitions of the dead-letter topic, which is created where it is missing and may be. Blocking.

    Raises:
        StreamError: it is missing, or Kafka does not answer.
    """
    return prepare_dead_letters(policy, plan, inspect=False)[0]


def source_topics(policy: KafkaPolicy, existing: Collection[str], named: Iterable[str] | None = None) -> list[str]:
    """Those of the existing topics that are read, in the order of the settings; `named`: by these names or patterns."""
    visible = sorted(set(existing) - set(policy.hidden_topics))
    return [name for topic in named or policy.topics for name in visible if _is_named(topic, name)]


def _is_named(topic: str, name: str) -> bool:
    return matches_any([topic], name) if topic.startswith("^") else topic == name


def read_ranges(policy: KafkaPolicy) -> dict[TopicPartition, tuple[int, int]]:
    """(first offset, end) of every partition of the topics. Blocking.

    Raises:
        SourceError: a topic is missing, so that there is no end to stop at.
    """
    with OffsetReader(reader_config(policy)) as reader:
        partitions = [
            tp for tp in reader.partitions(policy.topics, ASK_TIMEOUT_S) if tp.topic not in policy.hidden_topics
        ]
        found = {tp.topic for tp in partitions}
        missing = [topic for topic in policy.topics if not topic.startswith("^") and topic not in found]
        if missing or not partitions:
            raise MissingTopicError(f"--until-end: no topic {', '.join(missing or policy.topics)} on this cluster.")
        return reader.ranges(partitions)


class Asker:
    """Asks in a thread, again and again until Kafka answers; says of each try whether a broker answered at all."""

    def __init__(self, kafka: KafkaPolicy, logger: Logger, on_answer: Callable[[bool], None]) -> None:
        self.logger = logger
        self._kafka = kafka
        self._on_answer = on_answer
        self._last_told = ""
        self._tell_at = 0.0

    async def until_answered(self, question: Callable[[], T]) -> T:
        """The answer.

        Raises:
            SourceError: the answer is no, and asking again would not change it.
        """
        while True:
            try:
                answer = await asyncio.to_thread(_with_cause, self._kafka, question)
            except (RefusedError, MissingTopicError):
                raise
            except SourceError as error:
                self._on_answer(not isinstance(error, UnreachableError))
                self._tell(str(error))
            else:
                self._on_answer(True)
                return answer
            await asyncio.sleep(AGAIN_AFTER_S)

    def _tell(self, why: str) -> None:
        now = time.monotonic()
        if why != self._last_told or now >= self._tell_at:
            self._last_told, self._tell_at = why, now + TELL_AGAIN_S
            self.logger.warning("Not ready to start yet; trying again.", error=why, limit_key=why)


def _with_cause(kafka: KafkaPolicy, question: Callable[[], T]) -> T:
    with diagnosed(common_config(kafka)):
        return question()


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

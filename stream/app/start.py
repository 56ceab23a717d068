"""What must answer before the first event is read: the dead-letter topic, and for `--until-end` the ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from stream.core.errors import MissingTopicError, RefusedError, SourceError
from stream.core.model import TopicPartition
from stream.core.ports import Journal
from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.reader import OffsetReader
from stream.kafka.topics import DeadLetterPlan, Topics

AGAIN_AFTER_S = 2.0
T = TypeVar("T")


def prepare_dead_letters(policy: KafkaPolicy, plan: DeadLetterPlan, inspect: bool) -> tuple[int, list[str]]:
    """(partitions of the dead-letter topic, what is wrong with it). Blocking."""
    topics = Topics(common_config(policy))
    is_new = plan.topic not in topics.partition_counts()
    partitions = topics.ensure_dead_letters(plan, policy.topics)
    findings = topics.dead_letter_findings(plan.topic) if inspect and not is_new else []
    return partitions, findings


def read_ranges(policy: KafkaPolicy) -> dict[TopicPartition, tuple[int, int]]:
    """(first offset, end) of every partition of the topics. Blocking.

    Raises:
        SourceError: a topic is missing, so that there is no end to stop at.
    """
    with OffsetReader(reader_config(policy)) as reader:
        partitions = reader.partitions(policy.topics)
        found = {tp.topic for tp in partitions}
        missing = [topic for topic in policy.topics if not topic.startswith("^") and topic not in found]
        if missing or not partitions:
            raise MissingTopicError(f"--until-end: no topic {', '.join(missing or policy.topics)} on this cluster.")
        return {tp: reader.range_of(tp) for tp in partitions}


async def until_answered(question: Callable[[], T], journal: Journal) -> T:
    """Ask in a thread, again and again until Kafka answers.

    Raises:
        SourceError: the answer is no, and asking again would not change it.
    """
    while True:
        try:
            return await asyncio.to_thread(question)
        except (RefusedError, MissingTopicError):
            raise
        except SourceError as error:
            journal.warning("Kafka cannot be used yet; trying on.", error=str(error))
        await asyncio.sleep(AGAIN_AFTER_S)

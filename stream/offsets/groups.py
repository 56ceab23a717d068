"""The consumer groups of a deployment that a command for offsets is about, and their partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from stream.console.workflows import require_workflows
from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.reader import OffsetReader
from stream.model.errors import MissingTopicError, config_error
from stream.model.records import TopicPartition
from stream.runtime.policies import layouts
from stream.settings.model import Settings

Ranges = dict[TopicPartition, tuple[int, int]]
"""(first offset, read-committed end) by partition."""


def chosen_groups(settings: Settings, names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Workflows by group; with `names` the groups of these workflows alone.

    Raises:
        ConfigError: there is no such workflow, or all of them share one group.
    """
    require_workflows(settings, "--workflow", names)
    if names and settings.isolation == "shared":
        what = "has no offsets of its own: all workflows share one consumer group."
        fix = "Leave --workflow out; to send events to one workflow again: tray-stream replay --workflow NAME."
        raise config_error(f"--workflow {next(iter(names))}", what, fix)
    found = {layout.group: tuple(w.name for w in layout.workflows) for layout in layouts(settings)}
    return {group: own for group, own in found.items() if not names or set(own) & set(names)}


def ranges_of(policy: KafkaPolicy, only: Mapping[str, frozenset[int]]) -> Ranges:
    """The partitions of the topics and what they hold; `only` names topics and, where it has any, their partitions.

    Raises:
        MissingTopicError: one of the topics does not exist.
        ConfigError: one of the partitions does not.
    """
    with OffsetReader(reader_config(policy)) as reader:
        tps = [tp for tp in reader.partitions(policy.topics) if tp.topic not in policy.hidden_topics]
        existing = {tp.topic for tp in tps}
        missing = [t for t in policy.topics if not t.startswith("^") and t not in existing]
        if missing or not tps:
            raise MissingTopicError(f"There is no topic {', '.join(missing or policy.topics)} on this cluster.")
        require_partitions("--topic", (TopicPartition(t, n) for t, numbers in only.items() for n in numbers), tps)
        chosen = [tp for tp in tps if not only or tp.partition in (only.get(tp.topic) or {tp.partition})]
        return reader.ranges(chosen)


def require_partitions(source: str, named: Iterable[TopicPartition], known: Collection[TopicPartition]) -> None:
    """Raises ConfigError when partitions are named that do not exist, or of topics that are not ours."""
    unknown = sorted(set(named) - set(known))
    if unknown:
        listed = ", ".join(f"{tp.topic}:{tp.partition}" for tp in unknown)
        topics = sorted({tp.topic for tp in known})
        held = ", ".join(f"{topic}:0-{max(tp.partition for tp in known if tp.topic == topic)}" for topic in topics)
        raise config_error(source, f"names partitions that are none of the topics': {listed}.", f"There are: {held}.")

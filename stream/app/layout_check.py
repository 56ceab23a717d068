"""Whether the groups that a start would use are the ones that were used last."""

from __future__ import annotations

from collections.abc import Mapping

from stream.app.policies import workflow_group
from stream.core.errors import ConfigError, Problem
from stream.core.migrate import Committed, is_newer
from stream.core.model import TopicPartition
from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.groups import Groups
from stream.kafka.reader import OffsetReader
from stream.settings.model import Settings

Commits = Mapping[TopicPartition, Committed]


def check_layout(settings: Settings, kafka: KafkaPolicy) -> bool:
    """Whether nothing of this deployment was ever committed, in either layout. Blocking.

    Raises:
        ConfigError: the layout that is not in use holds newer offsets, so that events would be sent again.
        SourceError: Kafka does not answer.
    """
    groups, tps = Groups(common_config(kafka)), partitions_of(kafka)
    shared = groups.committed(settings.kafka.group_id, tps)
    own = {w.name: groups.committed(workflow_group(settings, w), tps) for w in settings.workflows}
    by_workflow = {(name, tp): commit for name, commits in own.items() for tp, commit in commits.items()}
    by_shared = {(name, tp): commit for name in own for tp, commit in shared.items()}
    unused, used = (by_workflow, by_shared) if settings.isolation == "shared" else (by_shared, by_workflow)
    if is_newer(unused, used):
        raise ConfigError([_refusal(settings)])
    return not shared and not by_workflow


def partitions_of(kafka: KafkaPolicy) -> list[TopicPartition]:
    """Every partition of the topics. Blocking."""
    with OffsetReader(reader_config(kafka)) as reader:
        return [tp for tp in reader.partitions(kafka.topics) if tp.topic not in kafka.hidden_topics]


def _refusal(settings: Settings) -> Problem:
    group = settings.kafka.group_id
    other = f"{group}.<workflow>" if settings.isolation == "shared" else group
    what = f'is "{settings.isolation}", but the offsets of the other layout ({other}) are newer.'
    fix = f"Carry them over with: tray-stream offsets migrate --to {settings.isolation} --execute"
    return Problem("isolation", what, fix)

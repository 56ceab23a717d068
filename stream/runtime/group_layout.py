"""Whether the groups that a start would use are the ones that were used last."""

from __future__ import annotations

from collections.abc import Mapping

from stream.kafka.client_config import KafkaPolicy, common_config, reader_config
from stream.kafka.groups import Groups
from stream.kafka.permissions import Permissions, grant, lacks
from stream.kafka.reader import OffsetReader
from stream.model.committed import Committed, is_newer
from stream.model.errors import ConfigError, Problem, RefusedError
from stream.model.records import TopicPartition
from stream.runtime.policies import workflow_group
from stream.settings.model import Settings

Commits = Mapping[TopicPartition, Committed]


def check_layout(settings: Settings, kafka: KafkaPolicy) -> tuple[str, ...]:
    """Compare the groups of both layouts; workflows' groups that we may not see. Blocking.

    While all workflows share one group, those that we may not see count as never used.

    Raises:
        ConfigError: the layout that is not in use holds newer offsets, so that events would be sent again.
        RefusedError: we may not see a group whose offsets decide where to start.
        SourceError: Kafka does not answer.
    """
    unseen = _unseen_groups(settings, kafka)
    groups, tps = Groups(common_config(kafka)), partitions_of(kafka)
    shared = groups.committed(settings.kafka.group_id, tps)
    named = {w.name: workflow_group(settings, w) for w in settings.workflows}
    own = {name: {} if group in unseen else groups.committed(group, tps) for name, group in named.items()}
    by_workflow = {(name, tp): commit for name, commits in own.items() for tp, commit in commits.items()}
    by_shared = {(name, tp): commit for name in own for tp, commit in shared.items()}
    unused, used = (by_workflow, by_shared) if settings.isolation == "shared" else (by_shared, by_workflow)
    if is_newer(unused, used):
        raise ConfigError([_refusal(settings)])
    return tuple(unseen)


def needed_rights(settings: Settings) -> dict[str, str]:
    """What a start does with each group of either layout, those in use first: `Read` it, or `Describe` it."""
    shared = [settings.kafka.group_id]
    own = [workflow_group(settings, workflow) for workflow in settings.workflows]
    used, unused = (shared, own) if settings.isolation == "shared" else (own, shared)
    return dict.fromkeys(used, "Read") | dict.fromkeys(unused, "Describe")


def is_decisive(settings: Settings, group: str) -> bool:
    """Whether a start needs to know the group's offsets; one of a layout never used may not be ours to see."""
    return settings.isolation == "workflow" or group == settings.kafka.group_id


def _unseen_groups(settings: Settings, kafka: KafkaPolicy) -> set[str]:
    """Call it before asking for offsets: a consumer does not see a refusal, its request stays without an answer."""
    rights = needed_rights(settings)
    allowed = Permissions(common_config(kafka)).of_groups(list(rights))
    unseen = {group for group, operations in allowed.items() if lacks(operations, "Describe")}
    for group, right in rights.items():
        if group in unseen and is_decisive(settings, group):
            what = f"Kafka does not let us see the offsets of the group {group} (GROUP_AUTHORIZATION_FAILED)."
            raise RefusedError(f"{what} Allow it: {grant(right, 'group', group)}")
    return unseen


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

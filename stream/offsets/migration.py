"""`offsets migrate`: what would be written, and writing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stream.kafka.groups import Groups
from stream.model.committed import Committed, to_shared, to_workflow
from stream.model.records import TopicPartition
from stream.runtime.policies import workflow_group
from stream.settings.model import Settings

Commits = dict[TopicPartition, Committed]


@dataclass(frozen=True)
class Migration:
    """Commits to be written per group, and the groups that are forgotten once they are."""

    write: Mapping[str, Commits]
    forget: tuple[str, ...]


def plan_migration(settings: Settings, groups: Groups, tps: Collection[TopicPartition], to: str) -> Migration:
    """Carry the other layout's offsets of these partitions over to `to` (`shared` or `workflow`). Blocking.

    Raises:
        GroupActiveError: one of the groups has members.
    """
    own = {workflow.name: workflow_group(settings, workflow) for workflow in settings.workflows}
    for group in (settings.kafka.group_id, *own.values()):
        groups.require_idle(group)
    limit = settings.kafka.metadata_max_bytes
    if to == "workflow":
        shared = groups.committed(settings.kafka.group_id, tps)
        written = {own[name]: {tp: to_workflow(c, name, limit) for tp, c in shared.items()} for name in own}
        return Migration({group: commits for group, commits in written.items() if commits}, (settings.kafka.group_id,))
    by_partition: dict[TopicPartition, dict[str, Committed]] = {}
    for name, group in own.items():
        for tp, commit in groups.committed(group, tps).items():
            by_partition.setdefault(tp, {})[name] = commit
    joined = {tp: to_shared(commits, limit) for tp, commits in by_partition.items()}
    return Migration({settings.kafka.group_id: joined} if joined else {}, tuple(own.values()))


def execute_migration(migration: Migration, groups: Groups) -> None:
    """Write every group, then forget the old ones: a start would take them for newer. Blocking."""
    for group, commits in migration.write.items():
        groups.write(group, commits)
    for group in migration.forget:
        groups.delete(group)

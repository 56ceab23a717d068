"""`offsets migrate`: what it moves from one layout of groups to the other, and its output."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import typer
from rich.table import Table

from stream.console import options
from stream.console.output import cell, print_json, standard_output
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups
from stream.model.committed import Committed, to_shared, to_workflow
from stream.model.needs import Needs
from stream.model.records import TopicPartition
from stream.runtime.group_layout import partitions_of
from stream.runtime.policies import kafka_policy, workflow_group
from stream.settings.model import Settings


def run_migrate(given: options.Given, to: str, *, execute: bool, as_json: bool) -> None:
    """Show, and with `execute` write, the offsets of the layout `to` (`shared` or `workflow`)."""
    settings = options.load(given, needs=Needs.KAFKA).settings
    kafka = kafka_policy(settings, logger=options.SILENT)
    groups = Groups(common_config(kafka))
    migration = plan_migration(settings, groups, partitions_of(kafka), to)
    if as_json:
        print_json({"dry_run": not execute, "offsets": _rows(migration)})
    else:
        print_migration(migration)
    if execute and migration.write:
        execute_migration(migration, groups)
        typer.echo(f"Written. Deleted: {', '.join(migration.forget)}.", err=True)
        typer.echo(_next_step(settings.isolation, to), err=True)
    elif migration.write:
        typer.echo("Nothing was written. Add --execute to write it.", err=True)


def _next_step(isolation: str, to: str) -> str:
    """What is still to be done: a start with the other layout would begin anew."""
    if isolation == to:
        return f'Next: start the processor; its settings have isolation = "{to}" already.'
    return f'Next: set isolation = "{to}" in the settings, then start the processor.'


def _rows(migration: Migration) -> list[dict[str, object]]:
    return [
        {"group": group, "topic": tp.topic, "partition": tp.partition, "offset": commit.offset}
        for group, commits in migration.write.items()
        for tp, commit in sorted(commits.items())
    ]


def print_migration(migration: Migration) -> None:
    """Where each partition would be set."""
    rows = _rows(migration)
    if not rows:
        typer.echo("The other layout has committed nothing: there is nothing to carry over.")
        return
    table = Table("group", "topic", "partition", "new offset", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell(str(value)) for value in row.values()))
    standard_output().print(table)


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

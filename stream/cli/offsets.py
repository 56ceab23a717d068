"""`tray-stream offsets`: the consumer groups' offsets."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from stream.app.layout_check import partitions_of
from stream.app.migration import Migration, execute_migration, plan_migration
from stream.app.policies import kafka_policy
from stream.cli import options
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups

MIGRATE_HELP = """Carry offsets, and what is done beyond them, over to the other layout of consumer groups.

Every member of the groups must be stopped. Without --execute it only shows what would be written. With it the old
layout's groups are deleted once the new ones are written.

Examples:

  tray-stream offsets migrate --to workflow

  tray-stream offsets migrate --to workflow --execute
"""

offsets_app = typer.Typer(help="Offsets of the consumer groups.", no_args_is_help=True)


@offsets_app.callback()
def offsets() -> None:
    """Offsets of the consumer groups."""


@offsets_app.command(help=MIGRATE_HELP)
def migrate(
    to: Annotated[Literal["shared", "workflow"], typer.Option("--to", help="The layout to carry them over to.")],
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    topic: options.Topic = None,
    group_id: options.Group = None,
    execute: Annotated[bool, typer.Option("--execute", help="Write it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show, and with --execute write, the other layout's offsets."""
    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, topic=topic, group_id=group_id)
    settings = options.load(given).settings
    kafka = kafka_policy(settings, logger=options.SILENT)
    groups = Groups(common_config(kafka))
    migration = plan_migration(settings, groups, partitions_of(kafka), to)
    if as_json:
        typer.echo(json.dumps(_rows(migration)))
    else:
        _print(migration)
    if execute:
        execute_migration(migration, groups)
        typer.echo(f"Written. Deleted: {', '.join(migration.forget)}.", err=True)
    elif migration.write:
        typer.echo("Nothing was written. Add --execute to write it.", err=True)


def _rows(migration: Migration) -> list[dict[str, object]]:
    return [
        {"group": group, "topic": tp.topic, "partition": tp.partition, "offset": commit.offset}
        for group, commits in migration.write.items()
        for tp, commit in sorted(commits.items())
    ]


def _print(migration: Migration) -> None:
    rows = _rows(migration)
    if not rows:
        typer.echo("The other layout has committed nothing: there is nothing to carry over.")
        return
    table = Table("group", "topic", "partition", "new offset", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)

"""What `offsets migrate` does."""

from __future__ import annotations

import typer
from rich.table import Table

from stream.console import options
from stream.console.output import cell, print_json, standard_output
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups
from stream.model.needs import Needs
from stream.offsets.migration import Migration, execute_migration, plan_migration
from stream.runtime.group_layout import partitions_of
from stream.runtime.policies import kafka_policy


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

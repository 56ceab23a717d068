"""`tray-stream offsets`: the consumer groups' offsets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stream.console import options

MIGRATE_HELP = """Carry offsets, and what is done beyond them, over to the other layout of consumer groups.

Every member of the groups must be stopped. Without --execute it only shows what would be written. With it the old
layout's groups are deleted once the new ones are written.

Examples:

  tray-stream offsets migrate --to workflow

  tray-stream offsets migrate --to workflow --execute
"""

SHOW_HELP = """Show how far each consumer group is on each partition, and what is left.

lag is what Kafka's own tools show: offsets between the committed one and the end. left leaves out what the commit says
is done beyond it, of the workflow that has most left. oldest open is the first record that some workflow is not done
with, and age its age. Where a processor of the same settings answers on http.listen, it also says what is held, and
since when. With isolation = "workflow" each workflow has a group of its own.

Examples:

  tray-stream offsets show

  tray-stream offsets show --topic segment-events:0,1 --json
"""

RESET_HELP = """Set the offsets of a consumer group that nobody is in, with the options of kafka-consumer-groups.

One of these options says where to. Offsets below the first or beyond the end are moved there, with a warning.
Without --execute it only shows what would be written. What a commit says of events done beyond it is forgotten:
from the new offset on everything is delivered again. To deliver a range again beside the running processor, see replay.

Examples:

  tray-stream offsets reset --to-datetime 2026-11-23T10:00:00Z

  tray-stream offsets reset --topic segment-events:0,3 --shift-by -1000 --execute

  tray-stream offsets reset --to-current --export > offsets.csv

  tray-stream offsets reset --from-file offsets.csv --execute
"""

offsets_app = typer.Typer(help="Offsets of the consumer groups.", no_args_is_help=True)


@offsets_app.callback()
def offsets() -> None:
    """Offsets of the consumer groups."""


OfWorkflow = Annotated[
    list[str] | None,
    typer.Option(
        "--workflow",
        metavar="NAME",
        help='With isolation = "workflow": the group of this one alone; may be repeated.',
        show_default=False,
    ),
]


@offsets_app.command(help=SHOW_HELP)
def show(
    topic: options.TopicPartitions = None,
    workflow: OfWorkflow = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """How far each group is."""
    from stream.offsets.commands import asked, run_show

    run_show(asked(_given(config, bootstrap_servers, group_id), topic, workflow), as_json)


@offsets_app.command(help=RESET_HELP)
def reset(
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="To the first offset.")] = False,
    to_latest: Annotated[bool, typer.Option("--to-latest", help="To the end.")] = False,
    to_current: Annotated[bool, typer.Option("--to-current", help="To what is committed.")] = False,
    to_offset: Annotated[
        int | None,
        typer.Option(
            "--to-offset", metavar="OFFSET", parser=options.read_offset, help="To this offset.", show_default=False
        ),
    ] = None,
    to_datetime: Annotated[
        str | None,
        typer.Option(
            "--to-datetime", metavar="TIME", help="To the first record at or after a time.", show_default=False
        ),
    ] = None,
    by_duration: Annotated[
        str | None,
        typer.Option(
            "--by-duration", metavar="PT2H", help="To the first record of the last hours, days.", show_default=False
        ),
    ] = None,
    shift_by: Annotated[
        int | None,
        typer.Option("--shift-by", help="By so many offsets; -100 is back.", show_default=False),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from-file", metavar="FILE", help="To the offsets of a CSV: topic,partition,offset.", show_default=False
        ),
    ] = None,
    topic: options.TopicPartitions = None,
    workflow: OfWorkflow = None,
    execute: Annotated[bool, typer.Option("--execute", help="Write it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it; the default.")] = False,
    export: Annotated[bool, typer.Option("--export", help="Print the new offsets as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """Offsets, set from outside."""
    from stream.offsets.commands import ResetOptions, asked, run_reset

    options.require_one("--execute", execute, "--dry-run", dry_run)
    options.require_one("--export", export, "--json", as_json)
    given = ResetOptions(to_earliest, to_latest, to_current, to_offset, to_datetime, by_duration, shift_by, from_file)
    of = asked(_given(config, bootstrap_servers, group_id), topic, workflow)
    run_reset(of, given, execute=execute, export=export, as_json=as_json)


def _given(config: options.Config, bootstrap_servers: options.Bootstrap, group_id: options.Group) -> options.Given:
    return options.Given(config=config, bootstrap_servers=bootstrap_servers, group_id=group_id)


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
    from stream.offsets.migrate_command import run_migrate

    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, topic=topic, group_id=group_id)
    run_migrate(given, to, execute=execute, as_json=as_json)

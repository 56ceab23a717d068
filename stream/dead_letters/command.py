"""`tray-stream dead-letters`: what could not be delivered; looked at, brought back, or ended."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from stream.console import options
from stream.dead_letters.options import By, ByEvent, ByReason, BySince, ByStatus, ByUntil, ByWorkflow, read_choice
from stream.dead_letters.query import DeadLetterQuery
from stream.model.events import Reason

LIST_HELP = """Count the open dead letters: those that are neither redriven nor discarded.

Examples:

  tray-stream dead-letters list

  tray-stream dead-letters list --by workflow,hour --from P1D

  tray-stream dead-letters list --workflow orders --status 400 --by event
"""

SHOW_HELP = """Print the dead letters of one event in full: its place, why it failed, its headers and its value.

PLACE is where the event lies: topic:partition:offset, as the log and `list --by event` have it. Values are personal
data; --no-value leaves them out.

Examples:

  tray-stream dead-letters show segment-events:3:41

  tray-stream dead-letters show segment-events:3:41 --workflow orders --no-value --json
"""

REDRIVE_HELP = """Deliver the events of dead letters again, each to the workflow that failed; only with --execute.

Without --execute it counts what would be sent, and what would be left and why. Retries, gate, order and signatures are
those of run; idempotency keys are the original ones. What is delivered is marked, so after Ctrl-C, SIGTERM or a crash
the same command continues where it stopped. What fails again is a dead letter again, with its attempts added. Invalid
events go to every workflow that wants them, once the settings take them for valid.

Examples:

  tray-stream dead-letters redrive

  tray-stream dead-letters redrive --workflow orders --status 400 --from PT6H --execute --rate 50/s

  tray-stream dead-letters redrive --event segment-events:3:41 --execute
"""

DISCARD_HELP = """End dead letters without delivering them; only with --execute.

Their records stay on the topic until it forgets them.

Examples:

  tray-stream dead-letters discard --reason invalid_json

  tray-stream dead-letters discard --workflow orders --until 2026-11-01T00:00:00Z --execute
"""

dead_letters_app = typer.Typer(help="Dead letters: list, show, redrive, discard.", no_args_is_help=True)

Execute = Annotated[bool, typer.Option("--execute", help="Do it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count; the default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dead_letters_app.command("list", help=LIST_HELP)
def list_(
    workflow: ByWorkflow = None,
    reason: ByReason = None,
    status: ByStatus = None,
    since: BySince = None,
    until: ByUntil = None,
    event: ByEvent = None,
    by: By = "workflow,reason,status",
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """Counts."""
    from stream.dead_letters.commands import run_list

    choice = _choice(workflow, reason, status, since, until, event)
    run_list(_given(config, bootstrap_servers, group_id), choice, by, as_json)


@dead_letters_app.command("show", help=SHOW_HELP)
def show(
    place: Annotated[str, typer.Argument(metavar="PLACE", show_default=False)],
    workflow: ByWorkflow = None,
    no_value: Annotated[bool, typer.Option("--no-value", help="Leave the event itself out.")] = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """One event's letters in full."""
    from stream.dead_letters.commands import run_show

    run_show(_given(config, bootstrap_servers, group_id), place, frozenset(workflow or ()), not no_value, as_json)


@dead_letters_app.command("redrive", help=REDRIVE_HELP)
def redrive(
    workflow: ByWorkflow = None,
    reason: ByReason = None,
    status: ByStatus = None,
    since: BySince = None,
    until: ByUntil = None,
    event: ByEvent = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", metavar="100/s", help="Requests to each workflow, at most.", show_default=False),
    ] = None,
    execute: Execute = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """Events, delivered again."""
    from stream.dead_letters.redrive_command import run_redrive

    options.require_one("--execute", execute, "--dry-run", dry_run)
    choice = _choice(workflow, reason, status, since, until, event)
    run_redrive(_given(config, bootstrap_servers, group_id), choice, rate, execute, as_json)


@dead_letters_app.command("discard", help=DISCARD_HELP)
def discard(
    workflow: ByWorkflow = None,
    reason: ByReason = None,
    status: ByStatus = None,
    since: BySince = None,
    until: ByUntil = None,
    event: ByEvent = None,
    execute: Execute = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """Letters, ended."""
    from stream.dead_letters.commands import run_discard

    options.require_one("--execute", execute, "--dry-run", dry_run)
    choice = _choice(workflow, reason, status, since, until, event)
    run_discard(_given(config, bootstrap_servers, group_id), choice, execute, as_json)


def _given(config: options.Config, bootstrap_servers: options.Bootstrap, group_id: options.Group) -> options.Given:
    return options.Given(config=config, bootstrap_servers=bootstrap_servers, group_id=group_id)


def _choice(
    workflow: ByWorkflow,
    reason: list[Reason] | None,
    status: ByStatus,
    since: BySince,
    until: ByUntil,
    event: ByEvent,
) -> DeadLetterQuery:
    return read_choice(workflow, reason, status, since, until, event, int(time.time() * 1000))

"""The options of `tray-stream replay`, and what they ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from stream.console import options
from stream.model.needs import Needs

REPLAY_HELP = """Send the events of a range again, to all workflows or to some; nothing is sent without --execute.

Runs beside the live processor and never touches its consumer group. Retries, gate and dead letters are those of run.
Without --execute it counts what would be sent to whom, and why the rest would not.

--from and --until take: earliest, latest, committed (what the live group has committed), an offset (1200), -1200 (that
many before the end), a time (2026-11-24T10:00:00Z), a duration back from now (PT2H30M). --until is exclusive.

Examples:

  tray-stream replay --from 2026-11-23T10:00:00Z --until 2026-11-23T12:30:00Z --workflow orders

  tray-stream replay --from PT2H --workflow orders --event "Order *" --name fix-orders --rate 200/s --execute

  tray-stream replay --topic segment-events:0,3 --from 1200 --until 1300 --user user-17 --execute

With --name its progress is kept: after Ctrl-C, SIGTERM or a crash the same command continues where it stopped.
"""

Texts = list[str] | None

From = Annotated[
    str | None,
    typer.Option("--from", metavar="POINT", help="Where it begins. A dry run begins at earliest.", show_default=False),
]
Until = Annotated[str, typer.Option("--until", metavar="POINT", help="Where it ends, exclusive.")]
Workflows = Annotated[
    Texts,
    typer.Option(
        "--workflow", metavar="NAME", help="Send to this one; may be repeated. Default: all.", show_default=False
    ),
]
MessageIds = Annotated[
    Texts,
    typer.Option("--message-id", metavar="ID", help="Only the event of this id; may be repeated.", show_default=False),
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", metavar="100/s", help="Requests to each workflow, at most.", show_default=False),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Keep the progress under this name, to continue after a stop.",
        show_default=False,
    ),
]
NewKeys = Annotated[
    bool,
    typer.Option("--new-keys", help="Idempotency keys of this replay (…-r-NAME), so that events count as new ones."),
]
Execute = Annotated[bool, typer.Option("--execute", help="Send it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count; the default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def replay(
    start: From = None,
    until: Until = "latest",
    topic: options.TopicPartitions = None,
    workflow: Workflows = None,
    type_: options.OfTypes = None,
    event: options.OfNames = None,
    user: options.OfUsers = None,
    message_id: MessageIds = None,
    rate: Rate = None,
    name: Name = None,
    new_keys: NewKeys = False,
    execute: Execute = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
) -> None:
    """Events of a range, sent again."""
    from stream.console.workflows import only_workflows, require_running
    from stream.replay.event_query import EventQuery
    from stream.replay.execute import run_replay
    from stream.replay.request import ReplayRequest, parse_topics, require_name
    from stream.rules.patterns import doubt

    _require_clear(start, execute, dry_run)
    topics = parse_topics(topic or ())
    given = options.Given(
        config=config, bootstrap_servers=bootstrap_servers, topic=list(topics) or None, group_id=group_id
    )
    loaded = options.load(given, workflows_required=execute, needs=Needs.ALL if execute else Needs.KAFKA)
    settings = only_workflows(loaded.settings, workflow or ())
    if execute:
        require_running(settings, [one.name for one in settings.workflows], "choose others with --workflow")
    request = ReplayRequest(
        name=name or datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        is_named=name is not None,
        start=start or "earliest",
        until=until,
        topics=topics or {one: frozenset() for one in settings.kafka.topics},
        workflows=tuple(one.name for one in settings.workflows),
        selection=EventQuery(
            frozenset(type_ or ()), tuple(event or ()), frozenset(user or ()), frozenset(message_id or ())
        ),
        rate_per_s=None if rate is None else _per_second(rate),
        new_keys=new_keys,
    )
    require_name(settings, request.name)
    doubts = [f"--event: {why}" for pattern in event or () if (why := doubt(pattern))]
    run_replay(settings, request, [*loaded.warnings, *doubts], execute=execute, as_json=as_json)


def _require_clear(start: str | None, execute: bool, dry_run: bool) -> None:
    if execute and dry_run:
        raise typer.BadParameter("--execute and --dry-run exclude each other.")
    if execute and start is None:
        what = "Say where to begin; earliest sends everything that the topic holds."
        raise typer.BadParameter(what, param_hint="--from")


def _per_second(text: str) -> float:
    from stream.settings.units import parse_rate

    try:
        return parse_rate(f"{text}/s" if text.isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a rate. Write 100/s, 6000/m or 10/h.", param_hint="--rate"
        ) from error

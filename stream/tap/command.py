"""The options of `tray-stream tap`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.console import options

TAP_HELP = """Follow the topics, and say of each event which workflows would receive it, and which rule decided.

It joins no consumer group and commits nothing: the processor does not notice. For each event it prints when it was
written, where it is, its type, a track event's name, and for each workflow whether it would go; if so, the lane that it
waits in, else the rule and the setting that say no. The settings are those of the file: a change can be watched before
it is in force.

Nothing personal is printed without --body; a lane is a tag that stands for the same user as long as the command runs.
Ctrl-C ends it.

Examples:

  tray-stream tap

  tray-stream tap --workflow orders --type track --event "Order *"

  tray-stream tap --where "properties.total >= 100" --from PT1H --limit 20

  tray-stream tap --user user-17 --from earliest --json

--from takes what that of replay takes: earliest, latest, committed, an offset, -100, a time, a duration back from now.
Records that are no valid events are printed unless --type, --event, --user or --where choose among events.
"""


def tap(
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", metavar="NAME", help="Judge for this one; may be repeated.", show_default=False),
    ] = None,
    type_: options.OfTypes = None,
    event: options.OfNames = None,
    user: options.OfUsers = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="FQL", help="Only events for which it is true.", show_default=False),
    ] = None,
    start: Annotated[str, typer.Option("--from", metavar="POINT", help="Where it begins.")] = "latest",
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="End after so many events.", show_default=False)
    ] = None,
    topic: options.TopicPartitions = None,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    group_id: options.Group = None,
    body: Annotated[bool, typer.Option("--body", help="Print the event and the lane's name, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print an object a line.")] = False,
) -> None:
    """Events as they come."""
    from stream.console.workflows import require_workflows
    from stream.model.needs import Needs
    from stream.replay.event_query import EventQuery
    from stream.replay.request import parse_topics
    from stream.tap.execute import TapRequest, run_tap

    topics = parse_topics(topic or ())
    given = options.Given(
        config=config, bootstrap_servers=bootstrap_servers, topic=list(topics) or None, group_id=group_id
    )
    settings = options.load(given, needs=Needs.KAFKA).settings
    require_workflows(settings, "--workflow", workflow or ())
    request = TapRequest(
        frozenset(workflow or (one.name for one in settings.workflows)),
        EventQuery(frozenset(type_ or ()), tuple(event or ()), frozenset(user or ())),
        where,
        start,
        limit,
        topics or {name: frozenset[int]() for name in settings.kafka.topics},
    )
    run_tap(settings, request, with_body=body, as_json=as_json)

"""The options of `tray-stream send`."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.console import options

SEND_HELP = """Send one event to a workflow as run would, and show its answer. Kafka is not needed.

The request is real: signed, with the workflow's headers, filters and body rules, through the same connection code. It
has the header X-Tray-Test: true and a messageId of its own, so that the receiver can tell it apart. Secrets are not
shown, and of a file's event nothing but type, name and sizes without --body.

The event is that of FILE (- is standard input), or is made: --type, --event and --user say of what. Nothing is retried,
nothing becomes a dead letter. Exit 0 when every answer is a 2xx, else 1.

Examples:

  tray-stream send --workflow orders event.json

  tray-stream send --workflow orders --type track --event "Order Completed" --user u1

  tray-stream send --all --type identify

An event that the workflow's filters leave out is not sent; the rule and the setting that decided are shown.
"""


def send(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="File with the event as JSON; - is standard input.", show_default=False),
    ] = None,
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", metavar="NAME", help="Send to this one; may be repeated.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Send to every workflow.")] = False,
    line: Annotated[
        int | None,
        typer.Option("--line", min=1, help="Line of the file, where it holds an event a line.", show_default=False),
    ] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Make an event of this type. Default: track.", show_default=False),
    ] = None,
    event: Annotated[
        str | None,
        typer.Option("--event", metavar="NAME", help='Its name. Default: "Test Event".', show_default=False),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Its userId. Default: test-user.", show_default=False)
    ] = None,
    config: options.Config = None,
    body: Annotated[bool, typer.Option("--body", help="Print the body of the request, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """One real request, and its answer."""
    from stream.console.event_file import read_event, record_of
    from stream.console.workflows import only_name, require_workflows
    from stream.send.execute import made_event, run_send

    options.require_one("--workflow", bool(workflow), "--all", all_)
    options.require_one("FILE", file is not None, "--type, --event, --user", (type_, event, user) != (None,) * 3)
    given = options.Given(config=config)
    settings = options.load(given, topics_required=False).settings
    names = [one.name for one in settings.workflows] if all_ else workflow or [only_name(settings)]
    require_workflows(settings, "--workflow", names)
    record = record_of(made_event(type_, event, user)) if file is None else read_event(file, line)
    run_send(settings, names, record, file, with_body=body, as_json=as_json)

"""`tray-stream held`: the events that a running processor holds."""

from __future__ import annotations

from typing import Annotated

import typer

from stream.console import options

LIST_HELP = """List what a running processor holds: events that ended badly and are not given up, and invalid records.

Asks the processor itself, by default the one that the settings name (http.listen); with several processes name each of
them with --url. Of each event: where it is, which workflow holds it, since when, and the last answer. An invalid record
behind which its partition waits has no workflow. At most the 5,000 held longest are listed, and all are counted.

--give-up prints the lines for the settings, one for each workflow, with what the settings give up already. Put each in
place of the workflow's give_up and reload (SIGHUP): these events end as dead letters, and those behind them follow.

Examples:

  tray-stream held list

  tray-stream held list --workflow orders --give-up

  tray-stream held list --url http://10.0.0.7:9464 --url http://10.0.0.8:9464 --json
"""

held_app = typer.Typer(help="Events that are held.", no_args_is_help=True)


@held_app.callback()
def held() -> None:
    """Events that are held."""


@held_app.command("list", help=LIST_HELP)
def list_held(
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", metavar="NAME", help="Held by this one; may be repeated.", show_default=False),
    ] = None,
    give_up: Annotated[bool, typer.Option("--give-up", help="Print the settings lines that give them up.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    url: Annotated[
        list[str] | None,
        typer.Option("--url", help="Processor to ask: host:port; may be repeated.", show_default=False),
    ] = None,
    config: options.Config = None,
) -> None:
    """What is held."""
    from stream.held.list import run_list

    given = options.Given(config=config)
    run_list(given, frozenset(workflow or ()), url or [], give_up=give_up, as_json=as_json)

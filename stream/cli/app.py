"""The commands and their options; each hands over to its own file."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stream.audience.command import audience_app, trait_app
from stream.cli.views import EXPLAIN_HELP, TOP_HELP, explain, top
from stream.console import options
from stream.dead_letters.command import dead_letters_app
from stream.fixtures.command import TEST_HELP, hold_cases
from stream.held.command import held_app
from stream.model.needs import Needs
from stream.offsets.command import offsets_app
from stream.replay.command import REPLAY_HELP, replay
from stream.send.command import SEND_HELP, send
from stream.tap.command import TAP_HELP, tap

RUN_HELP = """Read events from Kafka, deliver them to the workflows, commit what is done.

Examples:

  tray-stream run --config stream.toml

  TRAY_WORKFLOW_URLS=https://… tray-stream run --bootstrap-servers localhost:9092 --topic segment-events

  tray-stream run --config stream.toml --workers 4

--workers N runs N processes in the same consumer group, for more than one core: Kafka shares the partitions out among
them. A process that dies is started again. What the settings allow (open events and bytes, requests in flight, rates)
holds for all of them together. Metrics and health of all are on the one address of http.listen, with the label worker;
log lines have worker=; --trace FILE writes FILE.0, FILE.1 and so on.

Ends at SIGTERM or Ctrl-C: drains, commits, leaves the group. A second signal exits at once. SIGHUP reads the settings
again and applies workflows, secrets, filters, limits and retries to what runs; Kafka's take effect at the next start.
"""

DEMO_HELP = """The main job on this machine alone: an embedded broker, sample events, three local workflows.

Examples:

  tray-stream demo

  tray-stream demo --keep --listen 127.0.0.1:9500

With --keep it stays up, and says where its metrics are: watch it with tray-stream top.
"""

CHECK_HELP = """Check the settings, Kafka, the topics and, with --probe, each workflow; print every finding.

Examples:

  tray-stream check --config stream.toml

  tray-stream check --print

  tray-stream check --offline --config stream.toml

--offline needs neither Kafka nor secrets, for a check of the settings in CI: what ${env:NAME} and ${file:PATH} refer to
may be missing.
"""

MAX_WORKERS = 256

HEALTHCHECK_HELP = """Ask the processor on this machine whether it lives (/healthz); exit 0 when it does, 1 when not.

Its address is http.listen, from TRAY_HTTP__LISTEN, else the settings file. Made for a container's health check.

Example:

  tray-stream healthcheck
"""

app = typer.Typer(
    name="tray-stream",
    cls=options.Commands,
    help="Segment events from Kafka to tray workflows: filtered, in order per user, committed after delivery.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from stream import __version__  # it takes a while to find

        typer.echo(f"tray-stream {__version__}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command(help=RUN_HELP)
def run(
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    topic: options.Topic = None,
    group_id: options.Group = None,
    only: Annotated[
        str | None,
        typer.Option("--only", help='Run this workflow alone (with isolation = "workflow").', show_default=False),
    ] = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop when everything that is on the topics now is done.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="Write each step as one JSON object a line to this file.", show_default=False),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=1, max=MAX_WORKERS, help="Processes that share the partitions; more than 1: supervised."
        ),
    ] = 1,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    worker: Annotated[str | None, typer.Option("--worker", hidden=True)] = None,
) -> None:
    """The processor."""
    from stream.run.command import run_processor
    from stream.run.workers import run_supervised, run_worker
    from stream.runtime.processor import RunOptions

    if worker is not None:
        run_worker(worker)
        return
    given = options.Given(
        config=config,
        bootstrap_servers=bootstrap_servers,
        topic=topic,
        group_id=group_id,
        log_level=log_level,
        log_format=log_format,
    )
    run_options = RunOptions(until_end=until_end, trace=trace, only=only, workers=workers)
    (run_processor if workers == 1 else run_supervised)(partial(options.load, given), run_options)


@app.command(help=DEMO_HELP)
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Stay up with a trickle of events until Ctrl-C.")] = False,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Address of its metrics. With --keep: 127.0.0.1:9464, or a free port where that is taken.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """The main job on this machine alone."""
    from stream.demo.command import run_demo

    run_demo(keep, listen)


@app.command(help=CHECK_HELP)
def check(
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    topic: options.Topic = None,
    group_id: options.Group = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Connect to each workflow's host (TCP and TLS); no event is sent.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Look at the settings alone: no Kafka, no workflow, and no secrets needed."),
    ] = False,
    show: Annotated[
        bool, typer.Option("--print", help="Print the settings in force as a settings file, secrets redacted.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Every finding at once."""
    from stream.check.command import print_settings, run_check

    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, topic=topic, group_id=group_id)
    options.require_one("--offline", offline, "--probe", probe)
    loaded = options.load(given, workflows_required=False, needs=Needs.NOTHING if offline else Needs.ALL)
    if show:
        print_settings(loaded, as_json)
    else:
        run_check(loaded, as_json, probe=probe, offline=offline)


app.command(help=REPLAY_HELP)(replay)
app.command(help=SEND_HELP)(send)
app.command("test", help=TEST_HELP)(hold_cases)
app.command(help=TAP_HELP)(tap)
app.command(help=EXPLAIN_HELP)(explain)
app.command(help=TOP_HELP)(top)


@app.command(help=HEALTHCHECK_HELP)
def healthcheck(config: options.Config = None) -> None:
    """Whether the process on this machine lives."""
    from stream.run.healthcheck import run_healthcheck

    run_healthcheck(config)


app.add_typer(offsets_app, name="offsets")
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(held_app, name="held")
app.add_typer(audience_app, name="audience")
app.add_typer(trait_app, name="trait")

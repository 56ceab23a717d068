"""`tray-stream audience sync` and `tray-stream trait sync`."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from stream.audience.columns import ColumnLayout, Form
from stream.audience.names import Computation, Kind
from stream.console import options
from stream.model.errors import SourceError, config_error
from stream.model.needs import Needs

if TYPE_CHECKING:
    from stream.settings.model import Settings

AUDIENCE_HELP = """Tell workflows who has entered or left an audience since its last sync.

Writes one identify event for each user added (true) or removed (false) to the first topic of the settings.
The first sync writes one for every member. NAME becomes the trait, in snake_case.

Examples:

  tray-stream audience sync "Order completed last 30days" --members members.csv --dry-run

  psql -c "copy (select user_id from vips) to stdout csv header" | tray-stream audience sync VIP --members -
"""

TRAIT_HELP = """Tell workflows which users have a new value of a trait since its last sync.

Writes one identify event for each user whose value is new or changed to the first topic of the settings.
Users who are not in the file are left alone. NAME becomes the trait, in snake_case.

Examples:

  tray-stream trait sync "Total revenue 180 days" --values revenue.csv --value-column revenue

  tray-stream trait sync "Favourite colour" --values colours.jsonl --dry-run
"""

audience_app = typer.Typer(help="Audiences computed elsewhere, synced as identify events.", no_args_is_help=True)
trait_app = typer.Typer(help="Traits computed elsewhere, synced as identify events.", no_args_is_help=True)

_SILENT = logging.Logger("sync", logging.CRITICAL + 1)
"""What the client says of its troubles is in our error, once."""


class SyncRequest(NamedTuple):
    """What the options of either command say."""

    computation: Computation
    layout: ColumnLayout
    dry_run: bool
    allow_empty: bool
    skip_bad: bool


Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]
UserColumn = Annotated[
    str | None,
    typer.Option(
        "--user-column", help="Column of the user's id. Default: the one spelled like user_id.", show_default=False
    ),
]
FormName = Annotated[
    Literal["auto", "csv", "jsonl", "list"],
    typer.Option("--format", help="CSV with a header, JSON Lines, or one id a line; auto: by its name or first line."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the counts; write nothing.")]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", help="Take a file without a user for what is meant.")]
SkipBad = Annotated[
    bool,
    typer.Option("--skip-bad", help="Skip and count rows that cannot be used, and blank ids even above 1 %."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")]


@audience_app.callback()
def _audience() -> None:
    """Keeps `sync` a command of its own, though it is the only one."""


@trait_app.callback()
def _trait() -> None:
    """Likewise."""


@audience_app.command("sync", help=AUDIENCE_HELP)
def sync_audience(
    name: Name,
    members: Annotated[str, typer.Option("--members", metavar="FILE|-", help="Who is in it; -: standard input.")],
    user_column: UserColumn = None,
    form: FormName = "auto",
    dry_run: DryRun = False,
    allow_empty: AllowEmpty = False,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    topic: options.Topic = None,
) -> None:
    """Members, compared with the last sync."""
    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, topic=topic)
    layout = ColumnLayout("--members", _form(form), user_column)
    asked = SyncRequest(_computation("audience", name), layout, dry_run, allow_empty, skip_bad)
    _run(asked, members, _settings(given), as_json)


@trait_app.command("sync", help=TRAIT_HELP)
def sync_trait(
    name: Name,
    values: Annotated[str, typer.Option("--values", metavar="FILE|-", help="Users and values; -: standard input.")],
    user_column: UserColumn = None,
    value_column: Annotated[
        str | None,
        typer.Option(
            "--value-column",
            help="Column of the value. Default: value, else the trait's own name, else the only other column.",
            show_default=False,
        ),
    ] = None,
    value_type: Annotated[
        Literal["auto", "text"],
        typer.Option("--value-type", help="auto: CSV's numbers, true, false and empty cells (null) are read as such."),
    ] = "auto",
    form: FormName = "auto",
    dry_run: DryRun = False,
    allow_empty: AllowEmpty = False,
    skip_bad: SkipBad = False,
    as_json: AsJson = False,
    config: options.Config = None,
    bootstrap_servers: options.Bootstrap = None,
    topic: options.Topic = None,
) -> None:
    """Values, compared with the last sync."""
    given = options.Given(config=config, bootstrap_servers=bootstrap_servers, topic=topic)
    found = _computation("trait", name)
    layout = ColumnLayout("--values", _form(form), user_column, True, value_column, found.key, value_type == "text")
    _run(SyncRequest(found, layout, dry_run, allow_empty, skip_bad), values, _settings(given), as_json)


def _form(name: Literal["auto", "csv", "jsonl", "list"]) -> Form | None:
    return None if name == "auto" else name


def _computation(kind: Kind, name: str) -> Computation:
    try:
        return Computation.named(kind, name)
    except ValueError as error:
        raise config_error("NAME", str(error), "Use letters or digits.") from error


def _settings(given: options.Given) -> Settings:
    settings = options.load(given, workflows_required=False, needs=Needs.KAFKA).settings
    if settings.kafka.unwrap is not None:
        fix = "Sync to a topic of plain events, by settings of its own without kafka.unwrap."
        raise config_error("kafka.unwrap", "is set, and a sync writes events that are not wrapped.", fix)
    if settings.kafka.topics[0].startswith("^"):
        raise config_error(
            "kafka.topics", "begins with a pattern.", "Name the topic to write to: --topic segment-events."
        )
    return settings


def _run(asked: SyncRequest, file_name: str, settings: Settings, as_json: bool) -> None:
    from stream.audience import report
    from stream.audience.intake import open_source
    from stream.audience.sync import Sync, SyncPlan
    from stream.console.output import print_json, standard_output
    from stream.runtime.policies import kafka_policy

    began_at = time.monotonic()
    plan = SyncPlan(*asked, settings.destination.integration_name)
    with _stop_signals(), open_source(file_name, plan.layout.option) as source, report.shown_progress() as progress:
        outcome = Sync(plan, source, kafka_policy(settings, logger=_SILENT), time.time, progress).run()
    counts = report.all_counts(plan, outcome, time.monotonic() - began_at)
    if as_json:
        print_json(report.about(plan, settings.kafka.topics[0]) | counts)
    else:
        report.print_table(standard_output(), plan, counts)


@contextmanager
def _stop_signals() -> Iterator[None]:
    """SIGTERM ends a sync as Ctrl-C does: the open transaction is given up at once, and exit 1 says that it stopped."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as error:
        text = "Stopped by a signal. What was written stays; the next sync continues from there."
        raise SourceError(text) from error
    finally:
        signal.signal(signal.SIGTERM, before)

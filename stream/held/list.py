"""What `held list` does."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.table import Table

from stream.console import options
from stream.console.output import cell, print_json, print_table, standard_output
from stream.console.workflows import require_known
from stream.model.errors import StreamError
from stream.model.needs import Needs
from stream.model.records import RecordId
from stream.settings.model import Settings
from stream.settings.places import parse_place
from stream.top.fetch import HeldAnswer, HeldEntry, NoAnswerError, ask_held, endpoint, own_endpoint, together

NONE = "-"


@dataclass(frozen=True)
class GiveUp:
    """A line of the settings."""

    workflow: str | None
    """None: it belongs to [validation]."""
    places: Sequence[RecordId]
    """What the settings give up already, and what is held."""
    held: int
    """How many of them are held."""


def run_list(
    given: options.Given, workflows: Collection[str], urls: Sequence[str], *, give_up: bool, as_json: bool
) -> None:
    """Ask each processor, and print what it holds.

    Raises:
        StreamError: one does not answer; ConfigError: an option makes no sense.
    """
    settings = options.load(given, workflows_required=False, topics_required=False, needs=Needs.NOTHING).settings
    found = together([_ask(url) for url in urls or [own_endpoint(settings.http)]])
    known = sorted(filter(None, found.counts))
    require_known("--workflow", sorted(set(workflows)), known, "the processor has no workflow {}.")
    entries = [one for one in found.entries if not workflows or one.workflow in workflows]
    total = sum(count for name, count in found.counts.items() if not workflows or name in workflows)
    if give_up:
        _print_give_up(settings, entries, as_json)
    elif as_json:
        print_json({"total": total, "held": [_json(one) for one in entries]})
    else:
        _print_held(standard_output(), entries, found, total)
    if total > len(entries):
        typer.echo(f"These are the {len(entries):,} held longest of {total:,}.", err=True)


def _ask(url: str) -> HeldAnswer:
    where = endpoint(url, "/held.json")
    try:
        return ask_held(where)
    except NoAnswerError as error:
        raise StreamError(
            f"{where} does not say what is held: {error}. Is tray-stream running there? --url names another."
        ) from error


def _json(one: HeldEntry) -> dict[str, object]:
    return {
        "place": str(one.place),
        "workflow": one.workflow,
        "since": one.since,
        "answer": one.answer,
        "reason": one.reason,
        "attempts": one.attempts,
        "detail": one.detail or None,
        "group": one.group,
    }


def _print_held(out: Console, entries: Sequence[HeldEntry], found: HeldAnswer, total: int) -> None:
    if not total:
        out.print("Nothing is held.")
        return
    table = Table("event", "workflow", "held since", "answer", "reason", box=None, pad_edge=False)
    table.add_column("attempts", justify="right")
    for one in entries:
        answer = NONE if one.answer is None else str(one.answer)
        texts = (str(one.place), one.workflow or NONE, one.since, answer, one.reason)
        table.add_row(*map(cell, texts), f"{one.attempts}")
    print_table(table)
    for one in entries:
        if one.workflow is None:
            partition = f"{one.place.topic}:{one.place.partition}"
            out.print(cell(f"{partition} is not read behind {one.place}: {one.detail}"), soft_wrap=True)
    whose = ", ".join(f"{name} {count:,}" for name, count in found.counts.items() if count and name)
    partitions = found.counts.get(None, 0)
    parts = [whose, f"partitions {partitions:,}" if partitions else ""]
    out.print(cell(f"{total:,} held: {', '.join(part for part in parts if part)}."), soft_wrap=True)


def _print_give_up(settings: Settings, entries: Sequence[HeldEntry], as_json: bool) -> None:
    lines = list(_give_up(settings, entries))
    if as_json:
        rows = [{"workflow": one.workflow, "give_up": list(map(str, one.places)), "held": one.held} for one in lines]
        print_json({"give_up": rows})
        return
    for one in lines:
        where = "[validation]" if one.workflow is None else f"[[workflow]] {json.dumps(one.workflow)}"
        typer.echo(f"# in {where}: {one.held:,} held")
        typer.echo(f"give_up = {json.dumps(list(map(str, one.places)))}")
    if not lines:
        typer.echo("Nothing is held.", err=True)
        return
    end = "dead letters" if settings.dead_letter.enabled else "filtered"
    typer.echo(f"Put each line in place of the give_up there and send SIGHUP: these events end as {end}.", err=True)


def _give_up(settings: Settings, entries: Sequence[HeldEntry]) -> Iterator[GiveUp]:
    """A second give_up in the same table would be refused, and an entry may be needed until it is committed."""
    before = {workflow.name: workflow.give_up for workflow in settings.workflows}
    held: dict[str | None, set[RecordId]] = {}
    for one in entries:
        held.setdefault(one.workflow, set()).add(one.place)
    for workflow, places in sorted(held.items(), key=lambda item: item[0] or ""):
        known = settings.validation.give_up if workflow is None else before.get(workflow, ())
        yield GiveUp(workflow, sorted(places | set(map(parse_place, known))), len(places))

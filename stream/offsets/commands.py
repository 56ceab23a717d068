"""What `offsets show` and `offsets reset` do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import typer

from stream.console import options
from stream.console.output import print_json, standard_output
from stream.kafka.client_config import KafkaPolicy, common_config
from stream.kafka.groups import Groups
from stream.model.errors import config_error
from stream.model.needs import Needs
from stream.model.timeparse import parse_duration_ms, parse_time
from stream.offsets import report
from stream.offsets.groups import chosen_groups
from stream.offsets.reset import OffsetRow, Reset, Target, execute_reset, plan_reset, read_offsets, write_offsets
from stream.offsets.show import held_since, look_at_processor, running_groups, show_offsets
from stream.replay.request import parse_topics
from stream.runtime.policies import kafka_policy
from stream.settings.model import Settings

WORDS = "--to-earliest, --to-latest, --to-current, --to-offset, --to-datetime, --by-duration, --shift-by or --from-file"


class OffsetsRequest(NamedTuple):
    """What the options say about which offsets."""

    given: options.Given
    partitions: Mapping[str, frozenset[int]]
    workflows: tuple[str, ...]


def asked(given: options.Given, topics: list[str] | None, workflows: list[str] | None) -> OffsetsRequest:
    """What `--topic t:0,1` and `--workflow` say.

    Raises:
        ConfigError: a topic cannot be read.
    """
    partitions = parse_topics(topics or ())
    named: options.Given = {**given, "topic": list(partitions)}
    return OffsetsRequest(named, partitions, tuple(workflows or ()))


@dataclass(frozen=True)
class ResetOptions:
    """Where to, as the options of kafka-consumer-groups say."""

    to_earliest: bool
    to_latest: bool
    to_current: bool
    to_offset: int | None
    to_datetime: str | None
    by_duration: str | None
    shift_by: int | None
    from_file: Path | None


def run_show(of: OffsetsRequest, as_json: bool) -> None:
    """Print how far each group is."""
    settings, kafka = _opened(of)
    workflows = chosen_groups(settings, of.workflows)
    standings = show_offsets(kafka, Groups(common_config(kafka)), workflows, of.partitions)
    seen, now_ms = look_at_processor(settings), int(time.time() * 1000)
    held, running = held_since(seen), running_groups(seen)
    paused = frozenset(workflow.name for workflow in settings.workflows if workflow.paused)
    if as_json:
        print_json({"groups": report.standings_json(standings, held, now_ms, running, paused)})
    else:
        report.print_standings(standard_output(), standings, held, now_ms, running, paused)


def run_reset(of: OffsetsRequest, options_given: ResetOptions, *, execute: bool, export: bool, as_json: bool) -> None:
    """Show what would be written, or write it."""
    target, rows = read_target(options_given, int(time.time() * 1000))
    settings, kafka = _opened(of)
    groups = Groups(common_config(kafka))
    reset = plan_reset(kafka, groups, chosen_groups(settings, of.workflows), of.partitions, target, rows)
    if execute:
        execute_reset(reset, groups)
    if as_json:
        print_json(report.reset_json(reset, dry_run=not execute))
    elif export:
        typer.echo("\n".join(write_offsets(reset.offsets())))
    else:
        report.print_reset(standard_output(), reset)
    _tell(reset, executed=execute)


def read_target(options_given: ResetOptions, now_ms: int) -> tuple[Target, list[OffsetRow]]:
    """The one word that was given, and the rows of its file.

    Raises:
        ConfigError: none or several were given, or its value cannot be read.
    """
    given = [name for name, value in vars(options_given).items() if value is not None and value is not False]
    if len(given) != 1:
        what = f"{len(given)} of the words were given." if given else "does not say where to."
        raise config_error("offsets reset", what, f"Give one of {WORDS}.")
    try:
        return _target(options_given, now_ms)
    except (ValueError, OSError) as error:
        raise config_error("--" + given[0].replace("_", "-"), str(error)) from error


def _target(options_given: ResetOptions, now_ms: int) -> tuple[Target, list[OffsetRow]]:
    if options_given.to_offset is not None:
        return Target("offset", options_given.to_offset), []
    if options_given.to_datetime is not None:
        return Target("time", parse_time(options_given.to_datetime)), []
    if options_given.by_duration is not None:
        return Target("time", max(0, now_ms - parse_duration_ms(options_given.by_duration.strip()))), []
    if options_given.shift_by is not None:
        return Target("shift", options_given.shift_by), []
    if options_given.from_file is not None:
        return Target("file"), read_offsets(options_given.from_file.read_text("utf-8").splitlines())
    if options_given.to_earliest:
        return Target("earliest"), []
    return Target("latest" if options_given.to_latest else "current"), []


def _tell(reset: Reset, *, executed: bool) -> None:
    """What a person should know besides the table."""
    for group, changes in reset.changes.items():
        for change in changes:
            if change.new.note:
                place = f"{group}: {change.tp.topic}:{change.tp.partition}"
                typer.echo(f"Warning: {place}: {change.new.note}: set to {change.new.offset}.", err=True)
    repeated = sum(change.repeated for changes in reset.changes.values() for change in changes)
    if repeated:
        what = "is forgotten" if executed else "would be forgotten"
        typer.echo(f"What is done beyond the committed offsets {what}: {repeated:,} deliveries in all.", err=True)
    if executed:
        typer.echo("Written.", err=True)
        return
    if reset.active:
        listed = ", ".join(f"{group} ({reset.states[group].word})" for group in reset.active)
        typer.echo(f"Active, and so not to be reset until every member is stopped: {listed}.", err=True)
    typer.echo("Nothing was written. Add --execute to write it.", err=True)


def _opened(of: OffsetsRequest) -> tuple[Settings, KafkaPolicy]:
    settings = options.load(of.given, workflows_required=False, needs=Needs.KAFKA).settings
    return settings, kafka_policy(settings, logger=options.SILENT)

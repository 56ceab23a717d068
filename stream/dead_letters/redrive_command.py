"""What `dead-letters redrive` does."""

from __future__ import annotations

import asyncio
import threading

import typer

from stream.console import options
from stream.console.output import print_json, standard_output
from stream.console.stop_signals import say_in_flight, stop_on_signals
from stream.console.workflows import require_running
from stream.dead_letters import report
from stream.dead_letters.bars import shown_runs
from stream.dead_letters.commands import Opened, lease, opened
from stream.dead_letters.plan import RedrivePlan, plan_redrive
from stream.dead_letters.query import DeadLetterQuery
from stream.dead_letters.redrive import Redrive, Watch, rehearse
from stream.model.errors import StreamError, config_error
from stream.run.command import loop_factory
from stream.settings.units import parse_rate
from stream.telemetry.logs import configure_logs, logger


class RedriveStoppedError(StreamError):
    """Letters are left that have not had their turn."""


def run_redrive(given: options.Given, choice: DeadLetterQuery, rate: str | None, execute: bool, as_json: bool) -> None:
    """Show what would be sent, or send it; the report goes to standard output.

    Raises:
        RedriveStoppedError: a signal came before the end, or a workflow refused too many in a row.
        StreamError: it could not be done.
    """
    rate_per_s = None if rate is None else _rate(rate)
    settings = options.load(given, topics_required=False).settings
    with opened(settings) as found:
        if execute:
            _execute(found, choice, rate_per_s, as_json)
        else:
            plan = _plan(found, choice)
            rehearse(settings, found.archive, plan)
            _print(plan, as_json, dry_run=True)


def _execute(found: Opened, choice: DeadLetterQuery, rate_per_s: float | None, as_json: bool) -> None:
    lost = threading.Event()
    with lease(found, lost):
        plan = _plan(found, choice)
        names = {name for name, tasks in plan.all_tasks() if tasks}
        require_running(found.settings, names, "choose others with --workflow")
        redrive = Redrive(found.settings, found.kafka, found.archive, plan, rate_per_s, logger(), lost)
        try:
            if plan.account.rows:
                _run(redrive, found)
        finally:
            _print(plan, as_json, dry_run=False)
    _conclude(redrive)


def _plan(found: Opened, choice: DeadLetterQuery) -> RedrivePlan:
    _, letters = found.read(choice)
    return plan_redrive(letters, [workflow.name for workflow in found.settings.workflows])


def _run(redrive: Redrive, found: Opened) -> None:
    with shown_runs() as (watch, stream), asyncio.Runner(loop_factory=loop_factory()) as runner:
        configure_logs("warning", found.settings.log.format, stream)
        runner.run(_run_on_loop(redrive, watch))


async def _run_on_loop(redrive: Redrive, watch: Watch) -> None:
    stop_on_signals(redrive, say_in_flight)
    await redrive.run(watch)


def _print(plan: RedrivePlan, as_json: bool, *, dry_run: bool) -> None:
    if as_json:
        print_json(report.redrive_json(plan, dry_run=dry_run))
    elif plan.account.rows:
        report.print_redrive(standard_output(), plan, dry_run=dry_run)
    else:
        typer.echo("There is no open letter to redrive.")
    if dry_run and plan.account.total().redriven:
        typer.echo("Nothing was sent. Add --execute to send it.", err=True)


def _conclude(redrive: Redrive) -> None:
    if redrive.held:
        names = ", ".join(redrive.held)
        raise RedriveStoppedError(
            f"Too many letters in a row failed again (dead_letter.max_consecutive): {names}. The rest is left as it "
            "was. Fix the workflow, then run this again."
        )
    if redrive.is_stopping:
        raise RedriveStoppedError(
            "Stopped by a signal. What is delivered is marked; the same command continues from there."
        )


def _rate(text: str) -> float:
    try:
        return parse_rate(text)
    except ValueError:
        what = f"{text!r} is not a rate."
        raise config_error("--rate", what, "Write a number and a unit (/s, /m or /h): 100/s.") from None

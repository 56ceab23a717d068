"""`tray-stream replay`: events of a range of the topic, sent again beside the live processor."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console

from stream.console.output import print_json, standard_output
from stream.console.stop_signals import say_in_flight, stop_on_signals
from stream.kafka.client_config import common_config
from stream.kafka.groups import Groups
from stream.kafka.progress import CommittedProgress
from stream.model.errors import StreamError
from stream.replay.bar import Show, shown_progress
from stream.replay.fingerprint import take_over
from stream.replay.plan import ReplayPlan, plan_replay
from stream.replay.replay_filter import ReplayCounts
from stream.replay.report import ReplayReport
from stream.replay.request import ReplayRequest
from stream.replay.run import ReplayRun, ReplayState
from stream.replay.world import ReplayParts, counting_world, replay_policy, sending_world
from stream.run.command import loop_factory
from stream.runtime.policies import dead_letter_plan
from stream.runtime.start import prepare_dead_letters
from stream.settings.model import Settings
from stream.telemetry.logs import configure_logs, librdkafka_logger, logger

SAME_KEYS = (
    "Requests carry the events' own idempotency keys: a receiver that drops repetitions drops what it has seen. "
    "--new-keys gives each event a key of this replay."
)


class ReplayStoppedError(StreamError):
    """A signal ended the replay before its end."""


def run_replay(
    settings: Settings, request: ReplayRequest, warnings: Iterable[str], *, execute: bool, as_json: bool
) -> None:
    """Count, or send, what is asked for; the report goes to standard output. `warnings` are about the settings.

    Raises:
        ReplayStoppedError: a signal came before the end.
        StreamError: it could not be done.
    """
    began_at, now_ms = time.monotonic(), int(time.time() * 1000)
    _log_to(settings, sys.stderr)
    kafka = replay_policy(settings, request.name, librdkafka_logger(logger()))
    plan = plan_replay(settings, kafka, request, now_ms)
    for warning in (*warnings, *plan.warnings):
        _tell(f"Warning: {warning}")
    if not plan.left:
        _end_at_once(request, plan, execute, as_json)
        return
    if plan.is_resumed:
        _tell(f"Replay {request.name} continues: {plan.done:,} of {plan.offsets:,} offsets were done before.")
    if execute and not request.new_keys:
        _tell(SAME_KEYS)
    run, census, state = _run(ReplayParts(settings, kafka, request, plan, logger()), execute)
    seconds = time.monotonic() - began_at
    report = ReplayReport(request, plan, census, state if execute else None, run.is_complete, plan.warnings, seconds)
    _print(report, as_json)
    _conclude(request, run, state, plan, execute)


def _run(parts: ReplayParts, execute: bool) -> tuple[ReplayRun, ReplayCounts, ReplayState]:
    kept, letters = (None, 0) if not execute else _prepare(parts)
    title, unit = ("Replaying", "sent") if execute else ("Counting", "records")
    with (
        shown_progress(f"{title} {parts.request.name}", unit, parts.plan.offsets) as (show, stream),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        _log_to(parts.settings, stream)
        return runner.run(_run_on_loop(parts, execute, kept, letters, show))


async def _run_on_loop(
    parts: ReplayParts, execute: bool, kept: CommittedProgress | None, letters: int, show: Show
) -> tuple[ReplayRun, ReplayCounts, ReplayState]:
    world = sending_world(parts, kept, letters) if execute else counting_world(parts)
    run = ReplayRun(world, parts.plan, parts.logger)
    stop_on_signals(run, say_in_flight)
    return run, world.sieve.census, await run.run(show)


def _prepare(parts: ReplayParts) -> tuple[CommittedProgress | None, int]:
    """(what keeps the progress, partitions of the dead-letter topic), before the first event is read."""
    settings, kafka, letters = parts.settings, parts.kafka, 0
    if settings.dead_letter.enabled:
        letters, findings = prepare_dead_letters(kafka, dead_letter_plan(settings), True)
        for finding in findings:
            _tell(f"Warning: {finding}")
    if not parts.request.is_named:
        return None, letters
    groups = Groups(common_config(kafka))
    return take_over(groups, kafka.group, parts.plan.stretches, parts.plan.asked), letters


def _end_at_once(request: ReplayRequest, plan: ReplayPlan, execute: bool, as_json: bool) -> None:
    """There is nothing to read: the range is empty, or an earlier run came to its end."""
    if plan.is_resumed:
        sentence = f"Replay {request.name} is complete. To send its events again, choose another --name."
    else:
        sentence = "The range is empty: there is nothing to replay."
    if as_json:
        names = request.workflows
        nothing = ReplayState(plan.offsets, 0, dict.fromkeys(names, 0), {name: {} for name in names})
        _print(
            ReplayReport(request, plan, ReplayCounts(names), nothing if execute else None, True, plan.warnings, 0.0),
            as_json,
        )
    _tell(sentence)


def _print(report: ReplayReport, as_json: bool) -> None:
    if as_json:
        print_json(report.as_json())
    else:
        report.print(standard_output())


def _conclude(request: ReplayRequest, run: ReplayRun, state: ReplayState, plan: ReplayPlan, execute: bool) -> None:
    """Say what may come next."""
    if run.is_complete:
        if not execute:
            _tell("Nothing was sent. Add --execute to send it.")
        return
    done = f"Stopped before the end: {state.offsets:,} of {plan.offsets:,} offsets are done."
    if not execute:
        raise ReplayStoppedError(done)
    if request.is_named:
        command = shlex.join(["tray-stream", *sys.argv[1:]])
        raise ReplayStoppedError(f"{done} The same command continues from there: {command}")
    raise ReplayStoppedError(f"{done} It has no --name, so it cannot be continued.")


def _log_to(settings: Settings, stream: TextIO) -> None:
    """The bar and the report say how it goes: of the log only what needs a look."""
    level = settings.log.level
    configure_logs("warning" if level == "info" else level, settings.log.format, stream)


def _tell(sentence: str) -> None:
    """One sentence on standard error, wrapped on a terminal."""
    console = Console(stderr=True, highlight=False)
    console.print(sentence, markup=False, soft_wrap=not console.is_terminal)

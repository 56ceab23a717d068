"""One process of `tray-stream run`: starts an engine with its edges, watches it, and winds it down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from stream import __version__
from stream.app.endpoint import OpenEndpoint, serve_http
from stream.app.engine_run import EngineRun, first_error, joined_all
from stream.app.garbage import collect_now_and_then
from stream.app.policies import (
    Layout,
    invalid_give_up,
    kafka_policy,
    layouts,
    without_give_up,
    workflow_policies,
)
from stream.app.senders import ways_to
from stream.app.start import Start, ask_kafka, unless_stopped
from stream.app.steady_stats import SteadyStats
from stream.app.tracing import CLOSE_LIMIT_S, open_tracing
from stream.app.world import build_world
from stream.core.errors import ConfigError, DataLossError, Problem, StreamError, told
from stream.core.stats import EngineStats
from stream.kafka.client_config import reader_config
from stream.settings.hidden import hidden_texts
from stream.settings.load import Loaded
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.exposed import ExposedProcess
from stream.telemetry.health import Health
from stream.telemetry.logs import StructlogJournal, librdkafka_logger
from stream.telemetry.mask import HIDDEN
from stream.telemetry.metrics import build_registry
from stream.telemetry.trace import TraceFile

BEAT_EVERY_S = 1.0
LOOP = "the event loop"


@dataclass(frozen=True)
class RunOptions:
    """What the command line adds to the settings."""

    until_end: bool = False
    trace: Path | None = None
    only: str | None = None
    """Run the engine of this workflow alone."""
    workers: int = 1
    """How many processes like this one share what the settings allow."""
    inspect_topics: bool = True
    """Ask for topic configurations; librdkafka's embedded broker does not answer that."""


@dataclass
class Processor:
    """Runs until stopped, at the end of its topics, or broken. `on_started` is called when the engine runs."""

    settings: Settings
    journal: StructlogJournal
    options: RunOptions = field(default_factory=RunOptions)
    on_started: Callable[[Processor], None] = lambda _processor: None
    start: Start | None = None
    """What Kafka said, when somebody else has asked already."""
    open_endpoint: OpenEndpoint = serve_http

    def __post_init__(self) -> None:
        HIDDEN.add(hidden_texts(self.settings))
        require_known(self.settings, self.options.only)
        ways_to(self.settings, self.settings.workflows)  # a file of theirs that cannot be used ends the start at once
        self._layouts = self._engines(is_first_start=False)
        topics = [topic for topic in self.settings.kafka.topics if not topic.startswith("^")]
        self.all_stats = [
            EngineStats(layout.group, topics, [workflow.name for workflow in layout.workflows])
            for layout in self._layouts
        ]
        self.health = Health(SystemClock())
        self._logger = librdkafka_logger(self.journal)
        self._kafka = kafka_policy(self.settings, logger=self._logger)
        self.runs: list[EngineRun] = []
        """One for each engine, once Kafka has answered."""
        self._stop_asked = asyncio.Event()
        self._fault: StreamError | None = None
        self._tracing = open_tracing(self.settings)

    def _engines(self, *, is_first_start: bool) -> list[Layout]:
        options = self.options
        return layouts(self.settings, is_first_start=is_first_start, only=options.only, workers=options.workers)

    @property
    def stats(self) -> EngineStats:
        """The numbers of the first engine; with a shared group, the only one."""
        return self.all_stats[0]

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_asked.is_set()

    def request_stop(self) -> None:
        """Drain, commit, leave the groups; `run` returns when that is done. From the event loop."""
        self.health.stopping()
        self._stop_asked.set()
        for run in self.runs:
            run.stop()

    def reload(self, read: Callable[[], Loaded]) -> None:
        """Apply what may change while running: what is to be given up. From the event loop; never raises."""
        try:
            fresh = read().settings
        except ConfigError as error:
            self.stats.config_reloads["failed"] += 1
            problems = str(error)
            self.journal.error(
                "The settings were not reloaded; nothing has changed.", problems=problems, limit_key=problems
            )
            return
        of_workflows = {policy.name: policy.give_up for policy in workflow_policies(fresh)}
        for run in self.runs:
            run.world.engine.set_give_up(of_workflows, invalid_give_up(fresh))
        self.stats.config_reloads["ok"] += 1
        self.journal.info("The settings were reloaded: give_up is applied.")
        if without_give_up(fresh) != without_give_up(self.settings):
            self.journal.warning("Other settings have changed, too; they take effect after a restart.")

    async def run(self) -> None:
        """The whole life of the process.

        Raises:
            StreamError: what ended it, unless it was asked to stop or came to the end.
        """
        registry = build_registry(SteadyStats(asyncio.get_running_loop(), self.all_stats), __version__)
        exposed = ExposedProcess(registry, self.health, SystemClock())
        endpoint = self.open_endpoint(self.settings.http.listen, exposed, self.journal)
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(collect_now_and_then())]
        try:
            start = self.start or await self._prepare()
            if start is not None:
                await self._run_engines(start)
        finally:
            for task in tasks:
                task.cancel()
            endpoint.close()
            await self._close_tracing()

    async def _prepare(self) -> Start | None:
        """What Kafka says at start; None when a stop came before it answered."""
        options = self.options
        question = ask_kafka(
            self.settings,
            self._kafka,
            self.journal,
            until_end=options.until_end,
            inspect_topics=options.inspect_topics,
        )
        return await unless_stopped(question, self._stop_asked)

    async def _run_engines(self, start: Start) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_exception)
        chosen = self._engines(is_first_start=start.is_first_start)
        pairs = zip(chosen, self.all_stats, strict=True)
        trace = self._open_trace()
        self.runs = [self._open(layout, stats, start, trace) for layout, stats in pairs]
        for run, joined in zip(self.runs, joined_all(len(self.runs), self.health.joined), strict=True):
            run.begin(joined)
        if self._stop_asked.is_set():
            self.request_stop()
        self.on_started(self)
        try:
            error = await first_error(self.runs)
        finally:
            for run in self.runs:
                self.health.forget(_owner_name(run.world.engine.stats.group))
                await run.close()
            if trace is not None:
                trace.close()
        self._conclude(self._fault or error)

    def _open_trace(self) -> TraceFile | None:
        if self.options.trace is None:
            return None
        return TraceFile(self.options.trace, self._kafka.group, SystemClock(), self.journal)

    def _open(self, layout: Layout, stats: EngineStats, start: Start, trace: TraceFile | None) -> EngineRun:
        kafka = kafka_policy(self.settings, layout, self._logger)
        group_trace = None if trace is None else trace.for_group(layout.group)
        beat = partial(self.health.beat, _owner_name(layout.group))
        spans = None if self._tracing is None else self._tracing.for_group(layout.group)
        world = build_world(
            self.settings, layout, kafka, start.dead_letter_partitions, stats, self.journal, group_trace, beat, spans
        )
        return EngineRun(world, reader_config(kafka), start.ranges, self.journal)

    def _conclude(self, error: StreamError | None) -> None:
        self.journal.tell_suppressed(everything=True)
        if error is not None:
            raise error
        if any(run.has_lost for run in self.runs):
            raise DataLossError("Records that were not read are gone from the topic; see the error lines above.")
        self.journal.info("Stopped.")

    async def _close_tracing(self) -> None:
        if self._tracing is not None and not await self._tracing.close(CLOSE_LIMIT_S):
            self.journal.warning("The last spans could not be sent in time.", limit_s=CLOSE_LIMIT_S)

    async def _beat(self) -> None:
        while True:
            self.health.beat(LOOP)
            self.journal.tell_suppressed()
            for run in self.runs:
                run.world.flush_trace()
            await asyncio.sleep(BEAT_EVERY_S)

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised within the event loop: nothing more may be committed on its strength."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            self.journal.warning("The event loop reports a fault of the network.", what=context["message"])
            return
        self.journal.error("The engine broke; nothing more is committed.", error=told(error))
        if self._fault is None and self.runs:
            self._fault = error if isinstance(error, StreamError) else StreamError(f"The engine broke: {told(error)}.")
            for run in self.runs:
                run.world.engine.fail()
            self.request_stop()  # the groups are left in order, so that the next owners need not wait for a timeout


def require_known(settings: Settings, only: str | None) -> None:
    """Raises ConfigError when `--only` names no workflow, or cannot be had in this layout."""
    if only is None:
        return
    names = [workflow.name for workflow in settings.workflows]
    if only not in names:
        near = next(iter(get_close_matches(only, names, n=1)), "")
        fix = f"Did you mean {near}?" if near else f"There are: {', '.join(names)}."
        raise ConfigError([Problem("--only", f"there is no workflow {only}.", fix)])
    if settings.isolation == "shared":
        what = "cannot be used while all workflows share one consumer group: the others would miss the events."
        raise ConfigError([Problem("--only", what, 'Set isolation = "workflow".')])


def _owner_name(group: str) -> str:
    return f"the Kafka consumer's thread of {group}"

"""One process of `tray-stream run`: starts an engine with its edges, watches it, and winds it down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from stream import __version__
from stream.kafka.client_config import require_patterns
from stream.model.errors import (
    ConfigError,
    DataLossError,
    EngineInvariantError,
    StreamError,
    config_error,
    describe_error,
)
from stream.model.held import Json, held_json
from stream.model.statistics import EngineStats
from stream.runtime.endpoints import WorkflowEndpoint
from stream.runtime.engine_run import EngineRun, Remaining
from stream.runtime.engine_runtime import build_world
from stream.runtime.engines import Engines
from stream.runtime.event_loop import fail_on_loop_faults
from stream.runtime.extras import CLOSE_LIMIT_S, open_tracing
from stream.runtime.loop_answer import MonotonicStats, Remembered, ask_loop
from stream.runtime.metrics_endpoint import OpenEndpoint, serve_http
from stream.runtime.policies import GroupSpec, kafka_policy, layouts
from stream.runtime.reload import EnginePlan, ReloadPlan, changed_files, changed_keys, in_force, plan_engines
from stream.runtime.resources import collect_now_and_then, raise_descriptor_limit, warn_of_descriptors
from stream.runtime.start import Asker, StartFacts, ask_kafka, unless_stopped
from stream.runtime.tokens import token_stats
from stream.runtime.totals import total_fields
from stream.settings.hidden import hidden_texts
from stream.settings.keys import suggestion
from stream.settings.load import Loaded
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import ExposedProcess, Health
from stream.telemetry.logs import LineLogger, librdkafka_logger
from stream.telemetry.mask import HIDDEN
from stream.telemetry.metrics import build_registry
from stream.telemetry.outage import ProcessContact
from stream.telemetry.status.keeper import StatusKeeper, follow_status
from stream.telemetry.trace import TraceFile

BEAT_EVERY_S = 1.0
LOOP = "the event loop"
SAME_FILE = (
    "If the file was changed: a single file that is mounted into a container (Kubernetes subPath, docker -v FILE) "
    "stays what it was at the start. Mount its directory."
)


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
    logger: LineLogger
    options: RunOptions = field(default_factory=RunOptions)
    on_started: Callable[[Processor], None] = lambda _processor: None
    start: StartFacts | None = None
    """What Kafka said, when somebody else has asked already."""
    open_endpoint: OpenEndpoint = serve_http

    def __post_init__(self) -> None:
        HIDDEN.add(hidden_texts(self.settings))
        require_known(self.settings, self.options.only)
        self._planned = self._engines_for(self.settings)  # a file that cannot be used ends the start at once
        topics = [topic for topic in self.settings.kafka.topics if not topic.startswith("^")]
        self.all_stats: list[EngineStats] = []
        self.health = Health(SystemClock())
        self._engines = Engines(
            self.all_stats, topics, self._open, lambda group: self.health.forget(_owner_name(group))
        )
        self._engines.match_stats(self._planned)
        self._contact = ProcessContact(self.all_stats, self.logger)
        self._status = StatusKeeper(self.all_stats, __version__, SystemClock(), token_stats(self.settings))
        self._logger = librdkafka_logger(self.logger, self._contact.outage)
        self._kafka = kafka_policy(self.settings, logger=self._logger)
        require_patterns(self._kafka)
        self._answer: StartFacts | None = None
        """What Kafka said; from then on engines run."""
        self._trace: TraceFile | None = None
        self._stop_asked = asyncio.Event()
        self._fault: StreamError | None = None
        self._tracing = open_tracing(self.settings)
        self._began_at = SystemClock().monotonic()
        self.remaining = Remaining.SOME
        """What is left of the partitions that it owns; a second old at most."""

    def _engines_for(self, settings: Settings) -> EnginePlan:
        chosen = layouts(settings, only=self.options.only, workers=self.options.workers)
        return plan_engines(settings, chosen)

    @property
    def runs(self) -> list[EngineRun]:
        """One for each engine, once Kafka has answered."""
        return self._engines.runs

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
        self._engines.stop()

    def reload(self, read: Callable[[], Loaded]) -> None:
        """Take the settings as they are now, or none of them. From the event loop; never raises.

        An event is sent wholly with the old ones or wholly with the new ones, and nothing in flight is dropped.
        """
        try:
            loaded = read()
            plan = self._plan(loaded.settings)
        except ConfigError as error:
            self._tell_not_reloaded(str(error))
        except Exception as error:  # whatever it is: nothing has changed yet, and the run continues
            self._tell_not_reloaded(describe_error(error))
        else:
            self._apply(plan)
            for warning in loaded.warnings:
                self.logger.warning(warning)

    def _plan(self, fresh: Settings) -> ReloadPlan:
        require_known(fresh, self.options.only)
        settings = in_force(self.settings, fresh)
        engines = self._engines_for(settings)
        changed = (*changed_keys(self.settings, settings), *changed_files(self._planned, engines))
        return ReloadPlan(settings, engines, changed, waiting=changed_keys(settings, fresh))

    def _apply(self, plan: ReloadPlan) -> None:
        HIDDEN.add(hidden_texts(plan.settings))
        self.settings, self._planned = plan.settings, plan.engines
        if self._answer is None:
            self._engines.match_stats(plan.engines)
        else:
            self._engines.apply(plan.settings, plan.engines)
        self.stats.config_reloads["ok"] += 1
        names = " ".join(workflow.name for layout, _ in plan.engines for workflow in layout.workflows)
        if plan.changed or plan.waiting:
            self.logger.info("The settings were reloaded.", workflows=names, changed=", ".join(plan.changed) or "none")
        else:
            self.logger.info("The settings were reloaded; nothing has changed.", workflows=names, hint=SAME_FILE)
        if plan.waiting:
            self.logger.warning(
                "Some settings have changed that are read at start only; they need a restart and change nothing now.",
                settings=" ".join(plan.waiting),
            )

    def _tell_not_reloaded(self, why: str) -> None:
        self.stats.config_reloads["failed"] += 1
        self.logger.error("The settings were not reloaded; nothing has changed.", problems=why, limit_key=why)

    async def run(self) -> None:
        """The whole life of the process.

        Raises:
            StreamError: what ended it, unless it was asked to stop or came to the end.
        """
        loop = asyncio.get_running_loop()
        registry = build_registry(MonotonicStats(loop, self.all_stats), __version__, token_stats(self.settings))
        held = Remembered(lambda: self._ask_held(loop), SystemClock())
        status = Remembered(lambda: ask_loop(loop, self._status.status), SystemClock())
        exposed = ExposedProcess(registry, self.health, SystemClock(), held, status)
        endpoint = self.open_endpoint(self.settings.http.listen, exposed, self.logger)
        raise_descriptor_limit(self.settings, self.logger)
        lasting = self._beat(), collect_now_and_then(), self._contact.follow(), follow_status(self._status)
        tasks = [asyncio.create_task(one) for one in lasting]
        try:
            start = self.start or await self._prepare()
            if start is not None:
                await self._run_engines(start)
        finally:
            for task in tasks:
                task.cancel()
            endpoint.close()
            await self._close_tracing()

    def _ask_held(self, loop: asyncio.AbstractEventLoop) -> Json | None:
        groups = ask_loop(loop, lambda: [run.world.engine.held() for run in self.runs])
        return None if groups is None else held_json(groups)

    async def _prepare(self) -> StartFacts | None:
        """What Kafka says at start; None when a stop came before it answered."""
        options = self.options
        question = ask_kafka(
            self.settings,
            self._kafka,
            Asker(self._kafka, self.logger, self._contact.note_answer),
            until_end=options.until_end,
            inspect_topics=options.inspect_topics,
        )
        return await unless_stopped(question, self._stop_asked)

    async def _run_engines(self, start: StartFacts) -> None:
        fail_on_loop_faults(self.logger, self._fail)
        self._answer, self._trace = start, self._open_trace()
        self._engines.begin(self._engines_for(self.settings), self.health.joined)
        if self._stop_asked.is_set():
            self.request_stop()
        self.on_started(self)
        try:
            error = await self._engines.until_ended()
        finally:
            if self._trace is not None:
                self._trace.close()
        self._conclude(self._fault or error)

    def _open_trace(self) -> TraceFile | None:
        if self.options.trace is None:
            return None
        return TraceFile(self.options.trace, self._kafka.group, SystemClock(), self.logger)

    def _open(self, layout: GroupSpec, endpoints: Sequence[WorkflowEndpoint], stats: EngineStats) -> EngineRun:
        start = self._answer
        if start is None:
            raise EngineInvariantError("An engine was to begin before Kafka had answered.")
        kafka = kafka_policy(self.settings, layout, self._logger)
        trace = None if self._trace is None else self._trace.for_group(layout.group)
        beat = partial(self.health.beat, _owner_name(layout.group))
        spans = None if self._tracing is None else self._tracing.for_group(layout.group)
        world = build_world(
            self.settings,
            layout,
            endpoints,
            kafka,
            start.dead_letter_partitions,
            stats,
            self.logger,
            trace,
            beat,
            spans,
        )
        is_worker = self.options.workers > 1
        return EngineRun(world, kafka, start.ranges, self.logger, stays_when_halted=is_worker)

    def _conclude(self, error: StreamError | None) -> None:
        self.logger.log_suppressed(everything=True)
        if error is not None:
            raise error
        if self._engines.has_lost:
            raise DataLossError("Records that were not read are gone from the topic; see the error lines above.")
        for stats in self.all_stats:
            self.logger.info("Totals since the start.", group=stats.group, **total_fields(stats))
        ran_for_s = round(SystemClock().monotonic() - self._began_at, 1)
        self.logger.info("Stopped.", ran_for_s=ran_for_s)

    async def _close_tracing(self) -> None:
        if self._tracing is not None and not await self._tracing.close(CLOSE_LIMIT_S):
            self.logger.warning("The last spans could not be sent in time.", limit_s=CLOSE_LIMIT_S)

    async def _beat(self) -> None:
        while True:
            self.health.beat(LOOP)
            self.remaining = self._engines.remaining()
            warn_of_descriptors(self.logger)
            self.logger.log_suppressed()
            for run in self.runs:
                run.world.flush_trace()
            await asyncio.sleep(BEAT_EVERY_S)

    def _fail(self, error: StreamError) -> None:
        if self._fault is None and self.runs:
            self._fault = error
            for run in self.runs:
                run.world.engine.fail()
            self.request_stop()  # the groups are left in order, so that the next owners need not wait for a timeout


def require_known(settings: Settings, only: str | None) -> None:
    """Raises ConfigError when `--only` names no workflow, or cannot be had in this layout."""
    if only is None:
        return
    names = [workflow.name for workflow in settings.workflows]
    if only not in names:
        raise config_error("--only", f"there is no workflow {only}.", suggestion(only, names))
    if settings.isolation == "shared":
        what = "cannot be used while all workflows share one consumer group: the others would miss the events."
        raise config_error("--only", what, 'Set isolation = "workflow".')


def _owner_name(group: str) -> str:
    return f"the Kafka consumer's thread of {group}"

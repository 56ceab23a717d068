"""One `run --workers`: asks Kafka once for all workers, serves one endpoint, hands out the tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from stream.model.errors import ConfigError, Problem, describe_error
from stream.model.statistics import EngineStats
from stream.runtime.engine_runtime import poster
from stream.runtime.extras import require_registry, require_tracing
from stream.runtime.group_layout import partitions_of
from stream.runtime.metrics_endpoint import serve_http
from stream.runtime.policies import find_share_warnings, kafka_policy, layouts
from stream.runtime.processor import RunOptions, require_known
from stream.runtime.reload import in_force, plan_engines
from stream.runtime.start import Asker, StartFacts, ask_kafka, unless_stopped
from stream.runtime.supervisor.exposed import ExposedWorkers
from stream.runtime.supervisor.life import Life, SpawnedLife, worker_command
from stream.runtime.supervisor.messages import Reload, WorkerReport, WorkerTask
from stream.runtime.supervisor.supervisor import Rules, Supervisor
from stream.settings.kafka import STOP_ALLOWANCE_S
from stream.settings.load import Loaded
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.logs import LineLogger, librdkafka_logger
from stream.telemetry.outage import ProcessContact
from stream.telemetry.trace import TraceFile


class SupervisedRun:
    """The supervisor among its edges. `options.workers` is how many workers there are."""

    def __init__(self, loaded: Loaded, options: RunOptions, logger: LineLogger) -> None:
        """Raises ConfigError: what the workers would stumble on as well, found before any of them starts."""
        settings = loaded.settings
        _require_usable(settings, options)
        require_tracing(settings)
        require_registry(settings)
        _try_traces(options, settings, logger)
        for warning in find_share_warnings(settings, options.workers):
            logger.warning(warning)
        self._loaded = loaded
        self._options = options
        self._logger = logger
        rules = Rules(stop_limit_s(settings), options.until_end)
        self._waiting_stats = _stats_of(settings, options)
        """What is shown until a worker has numbers of its own."""
        self._supervisor = Supervisor(options.workers, rules, spawn, SystemClock().monotonic, logger)

    def request_stop(self) -> None:
        """Let every worker drain, commit and end. From the event loop."""
        self._supervisor.stop()

    def kill(self) -> None:
        """SIGKILL to every worker."""
        self._supervisor.kill()

    def reload(self, read: Callable[[], Loaded]) -> None:
        """Read the settings once for all workers and hand them on, or what is wrong with them. From the event loop.

        A worker that is restarted later begins with the settings that are in force by then.
        """
        try:
            fresh = read()
            settings = in_force(self._loaded.settings, fresh.settings)
            _require_usable(settings, self._options)
        except ConfigError as error:
            self._supervisor.reload(Reload(None, tuple(error.problems)))
        except Exception as error:  # whatever it is: nothing has changed yet, and the run continues
            self._supervisor.reload(Reload(None, (Problem("settings", f"cannot be read: {describe_error(error)}."),)))
        else:
            self._loaded = replace(fresh, settings=settings)
            self._supervisor.reload(Reload(fresh))

    async def run(self) -> int:
        """The whole life of the run; the exit code.

        Raises:
            StreamError: what keeps it from starting any worker.
        """
        listen, clock = self._loaded.settings.http.listen, SystemClock().monotonic
        exposed = ExposedWorkers(self._supervisor, self._waiting_stats, asyncio.get_running_loop(), clock)
        endpoint = serve_http(listen, exposed, self._logger)
        try:
            start = await unless_stopped(self._ask_kafka(), self._supervisor.stopping)
            code = 0 if start is None else await self._supervisor.run(partial(self._task, start))
        finally:
            endpoint.close()
        self._logger.info("All workers have ended.", exit_code=code)
        return code

    async def _ask_kafka(self) -> StartFacts:
        settings, options, logger = self._loaded.settings, self._options, self._logger
        contact = ProcessContact(self._waiting_stats, logger)
        kafka = kafka_policy(settings, logger=librdkafka_logger(logger, contact.outage))
        asker = Asker(kafka, logger, contact.note_answer)
        following = asyncio.create_task(contact.follow())
        try:
            start = await ask_kafka(
                settings, kafka, asker, until_end=options.until_end, inspect_topics=options.inspect_topics
            )
            partitions = len(await asker.until_answered(lambda: partitions_of(kafka)))
        finally:
            following.cancel()
        if 0 < partitions < options.workers:
            what = "There are more workers than partitions: the others have nothing to do."
            logger.warning(what, workers=options.workers, partitions=partitions)
        return start

    def _task(self, start: StartFacts, number: int) -> WorkerTask:
        trace = trace_of(self._options.trace, number)
        return WorkerTask(number, self._loaded, start, replace(self._options, trace=trace))


def _require_usable(settings: Settings, options: RunOptions) -> None:
    """Raises ConfigError when a worker could not start with these settings."""
    require_known(settings, options.only)
    plan_engines(settings, layouts(settings, only=options.only, workers=options.workers))


def _stats_of(settings: Settings, options: RunOptions) -> list[EngineStats]:
    """Empty numbers of each group."""
    topics = [topic for topic in settings.kafka.topics if not topic.startswith("^")]
    chosen = layouts(settings, only=options.only, workers=options.workers)
    return [EngineStats(one.group, topics, [workflow.name for workflow in one.workflows]) for one in chosen]


def stop_limit_s(settings: Settings) -> float:
    """How long a process may take from being asked to stop to its end."""
    return settings.kafka.drain_timeout + STOP_ALLOWANCE_S


def spawn(number: int, on_report: Callable[[WorkerReport], None], on_end: Callable[[int], None]) -> Life:
    """A process of this same program, as worker `number`."""
    post = poster(asyncio.get_running_loop())
    return SpawnedLife(partial(worker_command, number), post, on_report, on_end)


def trace_of(trace: Path | None, number: int) -> Path | None:
    """The trace of one worker: `FILE.<worker>`."""
    return None if trace is None else trace.with_name(f"{trace.name}.{number}")


def _try_traces(options: RunOptions, settings: Settings, logger: LineLogger) -> None:
    """Raises ConfigError when a trace cannot be written."""
    for number in range(options.workers):
        if path := trace_of(options.trace, number):
            TraceFile(path, settings.kafka.group_id, SystemClock(), logger).close()

"""One process of `tray-stream run`: starts an engine with its edges, watches it, and winds it down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from stream import __version__
from stream.app.offset_watch import OffsetWatch, Ranges
from stream.app.policies import dead_letter_plan, kafka_policy
from stream.app.start import prepare_dead_letters, read_ranges, until_answered
from stream.app.steady_stats import SteadyStats
from stream.app.world import World, build_world
from stream.core.errors import DataLossError, StreamError
from stream.core.stats import EngineStats
from stream.kafka.client_config import reader_config
from stream.settings.model import Settings
from stream.telemetry.clock import SystemClock
from stream.telemetry.health import Health
from stream.telemetry.logs import StructlogJournal, librdkafka_logger
from stream.telemetry.metrics import build_registry
from stream.telemetry.server import TelemetryServer

BEAT_EVERY_S = 1.0
LOOP = "the event loop"
OWNER = "the Kafka consumer's thread"


@dataclass(frozen=True)
class RunOptions:
    """What the command line adds to the settings."""

    until_end: bool = False
    trace: Path | None = None
    inspect_topics: bool = True
    """Ask for topic configurations; librdkafka's embedded broker does not answer that."""


@dataclass
class Processor:
    """Runs until stopped, at the end of its topics, or broken. `on_started` is called when the engine runs."""

    settings: Settings
    journal: StructlogJournal
    options: RunOptions = field(default_factory=RunOptions)
    on_started: Callable[[Processor], None] = lambda _processor: None

    def __post_init__(self) -> None:
        names = [workflow.name for workflow in self.settings.workflows]
        topics = [topic for topic in self.settings.kafka.topics if not topic.startswith("^")]
        self.stats = EngineStats(self.settings.kafka.group_id, topics, names)
        self.health = Health(SystemClock())
        self.kafka = kafka_policy(self.settings, librdkafka_logger(self.journal))
        self._world: World | None = None
        self._ranges: Ranges = {}
        self._has_lost = False
        self._stop_asked = asyncio.Event()
        self._ended: asyncio.Future[StreamError | None] | None = None
        self._fault: StreamError | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop_asked.is_set()

    def request_stop(self) -> None:
        """Drain, commit, leave the group; `run` returns when that is done. From the event loop."""
        self.health.stopping()
        self._stop_asked.set()
        if self._world is not None:
            self._world.owner.stop()

    async def run(self) -> None:
        """The whole life of the process.

        Raises:
            StreamError: what ended it, unless it was asked to stop or came to the end.
        """
        registry = build_registry(SteadyStats(asyncio.get_running_loop(), [self.stats]), __version__)
        endpoint = TelemetryServer(self.settings.http.listen, registry, self.health, SystemClock(), self.journal)
        endpoint.start()
        host = self.settings.http.listen.rpartition(":")[0]
        self.journal.info("Metrics and health are served.", url=f"http://{host}:{endpoint.port}/metrics")
        beat = asyncio.create_task(self._beat())
        try:
            partitions = await self._prepare()
            if partitions is not None:
                await self._run_engine(partitions)
        finally:
            beat.cancel()
            endpoint.close()

    async def _prepare(self) -> int | None:
        """Partitions of the dead-letter topic; None when a stop came before Kafka answered."""
        answer = asyncio.ensure_future(self._ask_kafka())
        stop = asyncio.ensure_future(self._stop_asked.wait())
        await asyncio.wait((answer, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not answer.done():
            answer.cancel()
            return None
        return answer.result()

    async def _ask_kafka(self) -> int:
        plan, kafka, inspect = dead_letter_plan(self.settings), self.kafka, self.options.inspect_topics
        if self.options.until_end:
            self._ranges = await until_answered(lambda: read_ranges(kafka), self.journal)
        partitions, findings = await until_answered(lambda: prepare_dead_letters(kafka, plan, inspect), self.journal)
        for finding in findings:
            self.journal.warning(finding)
        return partitions

    async def _run_engine(self, partitions: int) -> None:
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        loop.set_exception_handler(self._on_exception)
        beat = partial(self.health.beat, OWNER)
        world = build_world(self.settings, self.kafka, partitions, self.stats, self.journal, self.options.trace, beat)
        self._world = world
        world.engine.on_joined = self.health.joined
        world.engine.start()
        world.owner.begin(world.engine, self._on_ended)
        if self._stop_asked.is_set():
            world.owner.stop()
        watch = OffsetWatch(world.engine, reader_config(self.kafka), self.journal)
        tasks = [asyncio.create_task(watch.follow_ends()), asyncio.create_task(self._supervise(watch, world))]
        for task in tasks:
            task.add_done_callback(self._on_watch_ended)
        self.on_started(self)
        try:
            error = await self._ended
        finally:
            self.health.forget(OWNER)
            for task in tasks:
                task.cancel()
            await watch.close()
            await world.close()
        self._conclude(error)

    def _conclude(self, error: StreamError | None) -> None:
        if error is not None:
            raise error
        if self._has_lost:
            raise DataLossError("Records that were not read are gone from the topic; see the error lines above.")
        self.journal.info("Stopped.", group=self.kafka.group)

    async def _supervise(self, watch: OffsetWatch, world: World) -> None:
        """Ends the run by itself: at the end of the topics, or when no partition can be consumed any more."""
        if self.options.until_end:
            await watch.until_end(self._ranges)
            self.journal.info("The end of the topics is reached.", dead_letters=self._dead_letters())
        else:
            await watch.until_all_halted()
        self._has_lost = bool(world.engine.halted())
        self.request_stop()

    def _dead_letters(self) -> int:
        return self.stats.dead_letter_writes["ok"]

    async def _beat(self) -> None:
        while True:
            self.health.beat(LOOP)
            if self._world is not None and self._world.trace is not None:
                self._world.trace.flush()
            await asyncio.sleep(BEAT_EVERY_S)

    def _on_ended(self, error: StreamError | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(self._fault or error)

    def _on_watch_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error  # from a callback of the loop's, so that `_on_exception` hears of it

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised within the event loop: nothing more may be committed on its strength."""
        error = context.get("exception")
        if error is None or isinstance(error, OSError):
            self.journal.warning("The event loop reports a fault of the network.", what=context["message"])
            return
        self.journal.error("The engine broke; nothing more is committed.", error=repr(error))
        if self._fault is None and self._world is not None:
            self._fault = error if isinstance(error, StreamError) else StreamError(f"The engine broke: {error!r}.")
            self._world.engine.fail()
            self.request_stop()  # the group is left in order, so that the next owner need not wait for its timeout

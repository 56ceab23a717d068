"""One workflow's part of a redrive: the engine of `run`, fed with letters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

from stream.dead_letters.engine_edges import MarkingSender, RedriveSource, RepeatedLetters
from stream.dead_letters.markers import MarkerWriter
from stream.dead_letters.plan import EligibilityChecker, Tasks
from stream.dead_letters.reader import DeadLetterReader
from stream.dead_letters.tracker import RedriveTracker
from stream.engine.engine import Engine, EngineDependencies
from stream.kafka.dead_letters import DeadLetterTopic
from stream.model.events import Reason
from stream.model.policies import DeadLetterPolicy, EnginePolicy, WorkflowPolicy
from stream.model.ports import Logger
from stream.model.records import Record, RecordBatch, RecordId, TopicPartition
from stream.model.source import StartedPartition
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener
from stream.runtime.endpoints import open_senders
from stream.runtime.engine_runtime import poster
from stream.runtime.event_loop import LoopClock
from stream.runtime.extras import open_schemas
from stream.runtime.policies import GroupSpec, delivery_rules, engine_policy
from stream.settings.model import Settings
from stream.settings.workflow import Workflow
from stream.validation.schemas import SchemaValidator

EPOCH = 1
NEVER_S = 10 * 365 * 86_400.0
UNLIMITED = 2**60


@dataclass(frozen=True)
class Parts:
    """What the runs of one redrive share."""

    settings: Settings
    archive: DeadLetterReader
    topic: DeadLetterTopic
    marks: MarkerWriter
    desk: RedriveTracker
    examiner: EligibilityChecker
    logger: Logger
    rate_per_s: float | None
    engines: int
    """How many there are: they share the process's limits."""


class LetterRun(DeliveryListener):
    """Feeds the engine until each of the workflow's letters has ended, or it is stopped. On the running event loop."""

    def __init__(self, workflow: Workflow, tasks: Tasks, parts: Parts) -> None:
        self.name = workflow.name
        self.total = len(tasks)
        self.ended = 0
        """Events that are done with, however it ended."""
        self.is_held = False
        """It failed so often in a row that the rest was left alone."""
        self._tasks = tasks
        self._parts = parts
        self._feed = RedriveSource(tasks)
        self._tps = list(self._feed.starts)
        self._open = 0
        self._failed_in_a_row = 0
        self._is_stopped = self._is_draining = False
        self._drained = asyncio.Event()
        self._changed = self._feed.changed
        [sender] = open_senders(parts.settings, (workflow,), parts.logger)
        self._sender = MarkingSender(sender, parts.marks, workflow.name, workflow.max_in_flight)
        self.stats = EngineStats(parts.settings.kafka.group_id, {tp.topic for tp in self._tps}, [self.name])
        policy = letter_policy(parts, workflow)
        loop = asyncio.get_running_loop()
        edges = EngineDependencies(
            source=self._feed,
            senders=(self._sender,),
            dead_letters=RepeatedLetters(parts.topic, self.name, tasks, self._count_failure),
            validator=SchemaValidator(),
            clock=LoopClock(loop),
            logger=parts.logger,
            rng=Random(),
            schemas=open_schemas(parts.settings, poster(loop)),
            listeners=(self,),
        )
        self._engine = Engine(policy, delivery_rules(parts.settings), edges, self.stats)

    async def run(self) -> None:
        """Everything, then drain and close.

        Raises:
            SourceError: the letters could not be read; those in flight still end.
        """
        self._engine.start()
        self._engine.on_assigned([StartedPartition(tp, EPOCH, at, at) for tp, at in self._feed.starts.items()])
        try:
            while not self._is_stopped and (self._open or not self._feed.is_empty):
                self._changed.clear()
                places = self._feed.take()
                if places:
                    self._hand_over(places, await asyncio.to_thread(self._events, places))
                else:
                    await self._changed.wait()
        finally:
            await self._close()

    def stop(self) -> None:
        """Start nothing more; what is in flight is waited for."""
        if not self._is_stopped:
            self._is_stopped = True
            self._changed.set()
            asyncio.get_running_loop().call_soon(self._drain)  # not within a call of the engine's

    def fail(self) -> None:
        """A promise of the engine was broken: send nothing more."""
        self._engine.fail()
        self.stop()

    # What the engine tells its listeners.

    def on_delivered(self, record: Record, workflow: str, attempts: int, status: int) -> None:
        """The event's letters are done with."""
        self._failed_in_a_row = 0
        self._parts.desk.delivered(self._tasks, record.place, self.name)
        self._note_end()

    def on_dead_lettered(self, record: Record, workflow: str | None, reason: Reason, topic_id: str) -> None:
        """Newer letters of the event are acknowledged."""
        self._parts.desk.failed(self._tasks, record.place, self.name)
        self._note_end()

    def _note_end(self) -> None:
        self._open -= 1
        self.ended += 1
        self._changed.set()

    def _count_failure(self) -> None:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._parts.settings.dead_letter.max_consecutive and not self._is_stopped:
            self.is_held = True
            self.stop()

    def _events(self, places: list[RecordId]) -> list[tuple[RecordId, Record | str]]:
        letters = {place: self._tasks[place][0].letter for place in places}
        found = self._parts.archive.events(letters.values())
        return [(place, found[letter.at]) for place, letter in letters.items()]

    def _hand_over(self, places: list[RecordId], events: list[tuple[RecordId, Record | str]]) -> None:
        if self._is_stopped:
            return
        records = []
        for place, found in events:
            why = found if isinstance(found, str) else self._parts.examiner.obstacle(found, self.name)
            if isinstance(found, Record) and why is None:
                records.append(found)
            else:
                self.ended += 1
                self._parts.desk.refused(self._tasks, place, self.name, str(why))
        self._open += len(records)
        if records:
            tp = TopicPartition(places[0].topic, places[0].partition)
            self._engine.on_records(RecordBatch(tp, EPOCH, records))

    def _drain(self) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._engine.drain(self._tps, lambda _offsets: self._drained.set())

    async def _close(self) -> None:
        self._drain()
        await self._drained.wait()
        self._engine.stop()
        await self._sender.close()


def letter_policy(parts: Parts, workflow: Workflow) -> EnginePolicy:
    """The engine's rules in a redrive: what fails again is a dead letter again, whatever the settings do in `run`.

    Offsets lie far apart here, and none is committed; how many may fail in a row is counted by the run itself.
    """
    layout = GroupSpec(parts.settings.kafka.group_id, (workflow,), parts.engines, is_isolated=True)
    policy = engine_policy(parts.settings, layout)
    return replace(
        policy,
        workflows=tuple(_redriving(one, parts.rate_per_s) for one in policy.workflows),
        limits=replace(policy.limits, max_ahead=UNLIMITED, metadata_max_bytes=UNLIMITED),
        dead_letters=DeadLetterPolicy(enabled=True, max_consecutive=UNLIMITED),
        commit_interval_s=NEVER_S,
    )


def _redriving(workflow: WorkflowPolicy, rate_per_s: float | None) -> WorkflowPolicy:
    rates = [rate for rate in (workflow.rate_per_s, rate_per_s) if rate is not None]
    return replace(workflow, on_failure="dead-letter", give_up=frozenset(), rate_per_s=min(rates, default=None))

"""The engine of one consumer group: what comes in from Kafka and goes out to its workflows, in one place.

Everything here runs on the event loop; the owner of the Kafka consumer calls in through `SourceEvents`. Every entry is
one step (`Steps`) and ends in `_end_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from stream.engine.backpressure import Backpressure
from stream.engine.commits import Commits
from stream.engine.completion import DeliveryCompletion
from stream.engine.dead_letters import DeadLetterWriter
from stream.engine.delivery_rules import DeliveryRules, RulesInForce
from stream.engine.drains import Drains
from stream.engine.failure import Failures
from stream.engine.held import group_held
from stream.engine.housekeeping import Housekeeping
from stream.engine.intake import Intake
from stream.engine.ledger import Ledger
from stream.engine.reload import WorkflowChanges
from stream.engine.restored import restore
from stream.engine.results import Results
from stream.engine.routing import Routing
from stream.engine.steps import Steps
from stream.engine.workflow import WorkflowEdges, WorkflowState
from stream.model.amounts import listed
from stream.model.commit_map import name_hash
from stream.model.held import GroupHeld
from stream.model.policies import EnginePolicy
from stream.model.ports import DeadLetters, Logger, OnDrained, Scheduler, Schemas, Sender, Source, Validator
from stream.model.records import RecordBatch, TopicPartition
from stream.model.source import CommitOffset, CommitResult, Contact, DataLoss, StartedPartition
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener, Spans

LISTED = 100
"""Partitions that a log line names one by one."""


@dataclass(frozen=True)
class EngineDependencies:
    """The world around one engine; `senders` in the order of the policy's workflows."""

    source: Source
    senders: Sequence[Sender]
    dead_letters: DeadLetters
    validator: Validator
    clock: Scheduler
    logger: Logger
    rng: Random
    listeners: Sequence[DeliveryListener] = ()
    schemas: Schemas | None = None
    """Of a registry; None: framed values are read as JSON."""
    spans: Spans | None = None
    """Follows each delivery and attempt."""


class Engine:
    """Delivers what a consumer group reads; fulfils `SourceEvents`."""

    def __init__(
        self, policy: EnginePolicy, rules: DeliveryRules, world: EngineDependencies, stats: EngineStats
    ) -> None:
        self.stats = stats
        self.is_failed = False
        self._on_joined: Callable[[], None] | None = None
        self._clock, self._logger = world.clock, world.logger
        self._listeners = listeners = (*world.listeners, *([world.spans] if world.spans else []))
        self._steps = steps = Steps(world.clock, self._end_step)
        self._touched = touched = steps.touched
        self._hashes: list[int | None] = [name_hash(workflow.name) for workflow in policy.workflows]
        self._ledger = ledger = Ledger(stats, touched)
        self._rules = in_force = RulesInForce(rules, policy.dead_letters)
        letters = DeadLetterWriter(world.dead_letters, steps, stats, world.logger)
        completion = DeliveryCompletion(in_force, ledger, letters, touched, world.logger, listeners)
        failures = Failures(in_force, completion, steps, world.rng, world.logger)
        results = Results(in_force, completion, failures, steps, listeners)
        edges = WorkflowEdges(steps, results.on_results, world.spans)
        self._workflows = workflows = [
            WorkflowState(index, workflow, policy, sender, stats.workflows[workflow.name], edges)
            for index, (workflow, sender) in enumerate(zip(policy.workflows, world.senders, strict=True))
        ]
        limits, source, logger = policy.limits, world.source, world.logger
        self._backpressure = Backpressure(limits, ledger, workflows, stats, source, steps)
        interval_s, metadata_max_bytes = policy.commit_interval_s, limits.metadata_max_bytes
        self._commits = Commits(
            interval_s, metadata_max_bytes, self._hashes, ledger, source, steps, stats, logger, listeners
        )
        self._drains = Drains(policy.drain_timeout_s, ledger, workflows, self._commits, steps, listeners)
        routing = Routing(policy, ledger, workflows, completion, stats, listeners)
        self._intake = Intake(
            *(policy, world.validator, ledger, routing, letters, self._backpressure, stats, logger, listeners, steps),
            world.schemas,
        )
        self._reload = WorkflowChanges(policy, self._hashes, workflows, ledger, completion, stats, edges, logger)
        self._housekeeping = Housekeeping(workflows, ledger, self._intake, failures, self._reload, steps, logger)

    def _end_step(self) -> None:
        """Start what is ready, apply backpressure, end drains; again while that has changed something."""
        touched, is_over = self._touched, False
        while not is_over:
            for workflow in touched.take_workflows():
                if not self.is_failed:
                    workflow.start_ready()
            self._backpressure.end_step(touched.take_partitions())
            self._drains.end_step()
            is_over = not touched

    # Its life.

    def start(self, on_joined: Callable[[], None] | None = None) -> None:
        """Begin to commit on the interval. `on_joined` is called at each assignment, an empty one included."""
        self._on_joined = on_joined
        for listener in self._listeners:
            listener.on_started(list(self.stats.workflows))
        self._commits.start()
        self._housekeeping.start()

    def stop(self) -> None:
        """The source has ended: nothing is committed from here on."""
        self._steps.run(self._stop)

    def _stop(self) -> None:
        self._commits.stop()
        self._housekeeping.stop()
        if self._ledger.partitions:
            self._lose(list(self._ledger.partitions))
        self._drains.end_all()
        for listener in self._listeners:
            listener.on_stopped()

    def fail(self) -> None:
        """A promise was broken somewhere: from here on nothing is committed and nothing new is sent."""
        self.is_failed = True
        self._steps.run(self._fail)

    def _fail(self) -> None:
        self._commits.stop()
        self._drains.close(list(self._ledger.partitions.values()))

    def reconfigure(self, policy: EnginePolicy, rules: DeliveryRules, senders: Sequence[Sender]) -> None:
        """Other settings from the next step on; `senders` in the order of the policy's workflows.

        What is in flight is answered under the settings that it was sent with; senders that are not among `senders`
        may be closed once nothing of theirs is. Commit interval, drain timeout and group stay.
        """
        self._steps.run(self._reconfigure, policy, rules, senders)

    def _reconfigure(self, policy: EnginePolicy, rules: DeliveryRules, senders: Sequence[Sender]) -> None:
        self._reload.change_workflows(policy, senders)
        self._rules.replace(rules, policy.dead_letters)
        self._intake.reconfigure(policy, self._reload.indexes)
        self._reload.apply_filters(self._intake.decode)
        self._intake.release_held()
        self._backpressure.set_limits(policy.limits)
        for partition in self._ledger.partitions.values():
            self._touched.partition(partition)
        for workflow in self._workflows:
            self._touched.workflow(workflow)

    # What it says of itself.

    def owned(self) -> set[TopicPartition]:
        """The partitions that are owned at present."""
        return set(self._ledger.partitions)

    def held(self) -> GroupHeld:
        """What is held, and how far the owned partitions are read."""
        return group_held(self.stats.group, self._workflows, self._ledger.partitions.values())

    def settled_up_to(self) -> dict[TopicPartition, int]:
        """Per owned partition the position below which nothing is open and nothing is left to read so far."""
        return {tp: partition.tracker.watermark for tp, partition in self._ledger.partitions.items()}

    def read_up_to(self) -> dict[TopicPartition, int]:
        """Per owned partition the offset that is read next."""
        return {tp: partition.tracker.next_expected for tp, partition in self._ledger.partitions.items()}

    def halted(self) -> set[TopicPartition]:
        """Owned partitions that are not consumed, since records of theirs were lost."""
        return {tp for tp, partition in self._ledger.partitions.items() if partition.is_halted}

    def gate_is_open(self, workflow: str) -> bool:
        """Whether requests to that workflow are sent freely."""
        return next(state.gate.is_open for state in self._workflows if state.policy.name == workflow)

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        partition = self._ledger.partitions.get(tp)
        return partition is not None and partition.epoch == epoch and partition.tracker.open_count > 0

    # What comes from Kafka.

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        self._steps.run(self._assign, started)

    def _assign(self, started: Sequence[StartedPartition]) -> None:
        lost = self.stats.records_lost.copy()  # what is counted stays, where a partition only begins anew
        self._drains.close(self._ledger.owned([one.tp for one in started]))
        for one in started:
            self._ledger.begin(one, restore(one, self._hashes, self.stats, self._logger))
            self.stats.records_lost[one.tp] += lost[one.tp]
            for listener in self._listeners:
                listener.on_assigned(one.tp, one.start, one.topic_id)
        self._backpressure.change_partitions()
        self.stats.rebalances["assigned"] += 1
        self.stats.note_contact(Contact.answered(self._clock.wall()))  # it is Kafka that assigns
        if self._on_joined is not None:
            self._on_joined()
        self._logger.info("Partitions assigned.", partitions=_listed([one.tp for one in started]))

    def on_records(self, batch: RecordBatch) -> None:
        partition = self._ledger.active(batch.tp, batch.epoch)
        if partition is not None and not self.is_failed:
            self._steps.run(self._intake.take, partition, batch.records)

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        if (partition := self._ledger.active(tp, epoch)) is not None:
            partition.pass_to(position)

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        self.stats.rebalances["revoked"] += 1
        self.drain(tps, on_drained)

    def drain(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Wind these partitions up; `on_drained` is called once with what is to be committed."""
        self._logger.info("Partitions are drained.", partitions=_listed(tps))
        drained = partial(self._drained, tps, self._clock.monotonic(), on_drained)
        self._steps.run(self._drains.begin, tps, drained)

    def _drained(
        self,
        tps: Sequence[TopicPartition],
        since: float,
        on_drained: OnDrained,
        offsets: Mapping[TopicPartition, CommitOffset],
    ) -> None:
        took_s = round(self._clock.monotonic() - since, 1)
        self._logger.info("Partitions are given back.", partitions=_listed(tps), drained_in_s=took_s)
        on_drained(offsets)

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        self._steps.run(self._lose, tps)

    def _lose(self, tps: Sequence[TopicPartition]) -> None:
        self.stats.rebalances["lost"] += 1
        lost = self._ledger.owned(tps)
        self._drains.close(lost)
        for partition in lost:
            for listener in self._listeners:
                listener.on_lost(partition.tp)
        self._logger.warning("Partitions lost; their events are received again.", partitions=_listed(tps))

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        for result in results:
            partition = self._ledger.partitions.get(result.tp)
            if partition is None or partition.epoch != result.epoch:
                partition = self._drains.closing(result.tp, result.epoch)
            self._commits.on_committed(partition, result)
            if partition is not None and partition.is_closed and not partition.commit.under_way:
                self._drains.end(partition)

    def on_data_loss(self, loss: DataLoss) -> None:
        if (partition := self._ledger.partitions.get(loss.tp)) is None:
            return
        start, end = loss.missing
        done = [] if loss.is_replaced else partition.done_by_all(self._hashes, start, end)
        self.stats.records_lost[loss.tp] += end - start - sum(high - low for low, high in done)
        if not loss.skipped:
            partition.halt()
            self._ledger.refresh_gauges()

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        for tp, topic_id in topic_ids.items():
            if (partition := self._ledger.partitions.get(tp)) is not None:
                partition.learn_topic_id(topic_id)


def _listed(tps: Sequence[TopicPartition]) -> str:
    return listed([f"{tp.topic}:{tp.partition}" for tp in sorted(tps)], LISTED) or "none"

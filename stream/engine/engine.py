"""The engine of one consumer group: what comes in from Kafka and goes out to its workflows, in one place.

Everything here runs on the event loop; the owner of the Kafka consumer calls in through `SourceEvents`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from stream.engine.appetite import Appetite
from stream.engine.commits import Commits
from stream.engine.dead_letters import LetterDesk
from stream.engine.deliverer import Deliverer, DeliveryRules
from stream.engine.drains import Drains
from stream.engine.endings import Endings
from stream.engine.held import group_held
from stream.engine.housekeeping import Overview
from stream.engine.intake import Intake
from stream.engine.ledger import Ledger
from stream.engine.partition import Phase, Tenure
from stream.engine.reload import Reconfiguration
from stream.engine.restored import restore
from stream.engine.workflow import Line
from stream.model.commit_map import name_hash
from stream.model.held import GroupHeld
from stream.model.policies import EnginePolicy
from stream.model.ports import DeadLetters, Logger, OnDrained, Scheduler, Sender, Source, Validator
from stream.model.records import RecordBatch, TopicPartition
from stream.model.source import CommitOffset, CommitResult, Contact, DataLoss, StartedPartition
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener, Spans


@dataclass(frozen=True)
class Edges:
    """The world around one engine; `senders` in the order of the policy's workflows."""

    source: Source
    senders: Sequence[Sender]
    dead_letters: DeadLetters
    validator: Validator
    clock: Scheduler
    logger: Logger
    rng: Random
    listeners: Sequence[DeliveryListener] = ()
    spans: Spans | None = None
    """Follows each delivery and attempt."""


class Engine:
    """Delivers what a consumer group reads; fulfils `SourceEvents`."""

    def __init__(self, policy: EnginePolicy, rules: DeliveryRules, edges: Edges, stats: EngineStats) -> None:
        self.stats = stats
        self.is_failed = False
        self._on_joined: Callable[[], None] | None = None
        self._edges = edges
        clock, rng, logger = edges.clock, edges.rng, edges.logger
        self._listeners = listeners = (*edges.listeners, *([edges.spans] if edges.spans else []))
        self._hashes: list[int | None] = [name_hash(workflow.name) for workflow in policy.workflows]
        self._ledger = Ledger(policy.limits, stats, edges.source)
        letters = LetterDesk(edges.dead_letters, clock, stats, logger)
        endings = Endings(policy.dead_letters, rules.retry.max_s, self._ledger, letters, clock, rng, logger, listeners)
        lines = _lines(policy, edges, stats)
        self._endings = endings
        self._deliverer = Deliverer(lines, rules, endings, clock, rng, logger, listeners)
        self._commits = Commits(
            policy.commit_interval_s,
            self._hashes,
            self._ledger,
            edges.source,
            clock,
            stats,
            logger,
            listeners,
            policy.limits.metadata_max_bytes,
        )
        self._drains = Drains(policy.drain_timeout_s, self._ledger, self._deliverer, self._commits, clock)
        self._drains.on_ended = self._on_ended
        letters.on_idle = self._deliverer.on_idle = self._drains.on_idle
        self._intake = Intake(
            policy, edges.validator, self._ledger, self._deliverer, letters, stats, logger, listeners, clock
        )
        self._appetite = Appetite(self._deliverer, self._ledger.room, clock)
        self._overview = Overview(lines, self._ledger, self._intake, endings, clock, logger)
        self._reconfiguration = Reconfiguration(
            policy, self._hashes, self._ledger, self._deliverer, endings, stats, clock, logger, edges.spans
        )
        self._overview.tidy = self._reconfiguration.tidy

    def start(self, on_joined: Callable[[], None] | None = None) -> None:
        """Begin to commit on the interval. `on_joined` is called at each assignment, an empty one included."""
        self._on_joined = on_joined
        for listener in self._listeners:
            listener.on_started(list(self.stats.workflows))
        self._commits.start()
        self._overview.start()

    def stop(self) -> None:
        """The source has ended: nothing is committed any more."""
        self._commits.stop()
        self._overview.stop()
        if self._ledger.tenures:
            self.on_lost(list(self._ledger.tenures))
        self._drains.end_all()
        for listener in self._listeners:
            listener.on_stopped()

    def fail(self) -> None:
        """A promise was broken somewhere: from here on nothing is committed and nothing new is sent."""
        self.is_failed = True
        self._commits.stop()
        self._drains.close(list(self._ledger.tenures.values()))

    def owned(self) -> set[TopicPartition]:
        """The partitions that are owned at present."""
        return set(self._ledger.tenures)

    def held(self) -> GroupHeld:
        """What is held, and how far the owned partitions are read."""
        return group_held(self.stats.group, self._deliverer.lines, self._ledger.tenures.values())

    def settled_up_to(self) -> dict[TopicPartition, int]:
        """Per owned partition the position below which nothing is open and nothing is left to read so far."""
        return {tp: tenure.tracker.watermark for tp, tenure in self._ledger.tenures.items()}

    def read_up_to(self) -> dict[TopicPartition, int]:
        """Per owned partition the offset that is read next."""
        return {tp: tenure.tracker.next_expected for tp, tenure in self._ledger.tenures.items()}

    def reconfigure(self, policy: EnginePolicy, rules: DeliveryRules, senders: Sequence[Sender]) -> None:
        """Other settings from the next step on; `senders` in the order of the policy's workflows.

        What is in flight is answered under the settings that it was sent with; senders that are not among `senders`
        any more may be closed once nothing of theirs is. Commit interval, drain timeout and group stay.
        """
        self._reconfiguration.change_lines(policy, senders)
        self._deliverer.rules = rules
        self._endings.reconfigure(policy.dead_letters, rules.retry.max_s)
        freed = self._intake.reconfigure(policy, self._reconfiguration.indexes)
        self._reconfiguration.sweep(self._intake.decode)
        self._ledger.room.set_limits(policy.limits)
        self._deliverer.pump_all()
        for tenure in freed:
            self._intake.go_on(tenure)

    def gate_is_open(self, workflow: str) -> bool:
        """Whether requests to that workflow are sent freely."""
        return next(line.pace.gate.is_open for line in self._deliverer.lines if line.policy.name == workflow)

    def halted(self) -> set[TopicPartition]:
        """Owned partitions that are not consumed, since records of theirs were lost."""
        return {tp for tp, tenure in self._ledger.tenures.items() if tenure.is_halted}

    def on_assigned(self, started: Sequence[StartedPartition]) -> None:
        lost = self.stats.records_lost.copy()  # what is counted stays, where a partition only begins anew
        self._drains.close(self._ledger.owned([one.tp for one in started]))
        for one in started:
            self._ledger.begin(one, restore(one, self._hashes, self.stats, self._edges.logger))
            self.stats.records_lost[one.tp] += lost[one.tp]
            for listener in self._listeners:
                listener.on_assigned(one.tp, one.start, one.topic_id)
        self._ledger.room.tell_source()
        self.stats.rebalances["assigned"] += 1
        self.stats.note_contact(Contact.answered(self._edges.clock.wall()))  # it is Kafka that assigns
        if self._on_joined is not None:
            self._on_joined()
        self._edges.logger.info("Partitions assigned.", partitions=_listed([one.tp for one in started]))

    def on_records(self, batch: RecordBatch) -> None:
        tenure = self._ledger.active(batch.tp, batch.epoch)
        if tenure is not None and not self.is_failed:
            self._intake.take(tenure, batch.records)
            self._appetite.after_intake()

    def on_position(self, tp: TopicPartition, epoch: int, position: int) -> None:
        if (tenure := self._ledger.active(tp, epoch)) is not None:
            self._intake.pass_to(tenure, position)

    def on_revoked(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        self.stats.rebalances["revoked"] += 1
        self.drain(tps, on_drained)

    def drain(self, tps: Sequence[TopicPartition], on_drained: OnDrained) -> None:
        """Wind these partitions up; `on_drained` is called once with what is to be committed."""
        self._edges.logger.info("Partitions are drained.", partitions=_listed(tps))
        self._drains.begin(tps, partial(self._drained, tps, self._edges.clock.monotonic(), on_drained))

    def _drained(
        self,
        tps: Sequence[TopicPartition],
        since: float,
        on_drained: OnDrained,
        offsets: Mapping[TopicPartition, CommitOffset],
    ) -> None:
        took_s = round(self._edges.clock.monotonic() - since, 1)
        self._edges.logger.info("Partitions are given back.", partitions=_listed(tps), drained_in_s=took_s)
        on_drained(offsets)

    def on_lost(self, tps: Sequence[TopicPartition]) -> None:
        self.stats.rebalances["lost"] += 1
        lost = self._ledger.owned(tps)
        self._drains.close(lost)
        for tenure in lost:
            for listener in self._listeners:
                listener.on_lost(tenure.tp)
        self._edges.logger.warning("Partitions lost; their events are received again.", partitions=_listed(tps))

    def on_committed(self, results: Sequence[CommitResult]) -> None:
        for result in results:
            tenure = self._ledger.tenures.get(result.tp)
            if tenure is None or tenure.epoch != result.epoch:
                tenure = self._drains.closing(result.tp, result.epoch)
            self._commits.on_committed(tenure, result)
            if tenure is not None and tenure.phase is Phase.CLOSED and not tenure.commits_under_way:
                self._drains.end(tenure)

    def on_data_loss(self, loss: DataLoss) -> None:
        if (tenure := self._ledger.tenures.get(loss.tp)) is None:
            return
        start, end = loss.missing
        done = [] if loss.is_replaced else tenure.done_by_all(self._hashes, start, end)
        self.stats.records_lost[loss.tp] += end - start - sum(high - low for low, high in done)
        if not loss.skipped:
            tenure.is_halted = True
            self._ledger.refresh_gauges()

    def on_topic_ids(self, topic_ids: Mapping[TopicPartition, str]) -> None:
        for tp, topic_id in topic_ids.items():
            if (tenure := self._ledger.tenures.get(tp)) is not None and not tenure.topic_id:
                tenure.topic_id = topic_id

    def has_open(self, tp: TopicPartition, epoch: int) -> bool:
        tenure = self._ledger.tenures.get(tp)
        return tenure is not None and tenure.epoch == epoch and tenure.tracker.open_count > 0

    def _on_ended(self, tenure: Tenure) -> None:
        for listener in self._listeners:
            listener.on_revoked(tenure.tp)


def _lines(policy: EnginePolicy, edges: Edges, stats: EngineStats) -> list[Line]:
    workflows = zip(policy.workflows, edges.senders, strict=True)
    return [
        Line.build_for(index, workflow, policy, sender, stats.workflows[workflow.name], edges.clock, edges.spans)
        for index, (workflow, sender) in enumerate(workflows)
    ]


def _listed(tps: Sequence[TopicPartition]) -> str:
    return " ".join(f"{tp.topic}:{tp.partition}" for tp in sorted(tps)) or "none"

"""The edges around a replay: a reader of its range, its sieve, and behind it the engine of `run`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from stream.engine.engine import Engine, EngineDependencies
from stream.http.sender import WebhookSender
from stream.kafka.client_config import KafkaPolicy, range_reader_config
from stream.kafka.dead_letters import DeadLetterTopic, Written, letter_headers
from stream.kafka.progress import CommittedProgress
from stream.kafka.range_reader import RangeReader
from stream.kafka.start_offsets import ResolvedStart
from stream.model.events import DeadLetter
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.records import TopicPartition
from stream.model.statistics import EngineStats
from stream.replay.plan import ReplayPlan
from stream.replay.replay_filter import NobodyDelivers, ReplayFilter, SiftedEvents
from stream.replay.request import ReplayRequest, live_group_of, replay_group
from stream.rules.filter import EventFilter
from stream.runtime.decoding import record_decoder
from stream.runtime.endpoints import open_senders
from stream.runtime.engine_runtime import NoDeadLetters, open_dead_letters, poster
from stream.runtime.event_loop import LoopClock
from stream.runtime.extras import open_schemas
from stream.runtime.policies import (
    delivery_rules,
    engine_policy,
    kafka_policy,
    shared_layout,
    workflow_policies,
)
from stream.settings.model import Settings
from stream.telemetry.logs import LineLogger
from stream.validation.schemas import SchemaValidator

HEADER = "X-Tray-Replay"
"""Names the replay on each of its requests."""
COMMIT_INTERVAL_S = 0.02
"""Of a progress that is kept: what was sent since the last commit is sent again after a crash."""
MAX_OPEN_EVENTS = 4_000
"""Likewise: the further apart the open events lie, the longer it takes to say what is done between them."""
# Below half of `max_open_events` the engine stops no partition, which would cost what was fetched ahead of it.

LETTER_HEADER = "tray.replay"
"""Names the replay in which the event failed."""


@dataclass
class ReplayWorld:
    """Everything that one run of a replay stands on."""

    owner: RangeReader
    events: SiftedEvents
    sieve: ReplayFilter
    engine: Engine | None = None
    """None: events are only counted."""
    letters: DeadLetterTopic | None = None
    senders: tuple[WebhookSender, ...] = ()

    async def close(self) -> None:
        """The source has ended: close the rest, in the order in which one may still call the other."""
        if self.engine is not None:
            self.engine.stop()
        if self.letters is not None:
            self.letters.close()
        for sender in self.senders:
            await sender.close()


@dataclass(frozen=True)
class ReplayParts:
    """What a world is built from."""

    settings: Settings
    """With the workflows that the replay sends to, and no other."""
    kafka: KafkaPolicy
    """Of the replay's own group, which has no members."""
    request: ReplayRequest
    plan: ReplayPlan
    logger: LineLogger


def replay_policy(settings: Settings, name: str, logger: logging.Logger) -> KafkaPolicy:
    """How the group that keeps the progress of a replay talks to Kafka; nobody joins it."""
    policy = kafka_policy(settings, logger=logger)
    return replace(policy, group=replay_group(settings, name), group_protocol="classic", group_instance_id=None)


def counting_world(parts: ReplayParts) -> ReplayWorld:
    """A dry run, on the running event loop."""
    sieve = _sieve(parts)
    return ReplayWorld(_owner(parts, None, lambda: True), SiftedEvents(sieve, NobodyDelivers(), _starts(parts)), sieve)


def sending_world(parts: ReplayParts, kept: CommittedProgress | None, dead_letter_partitions: int) -> ReplayWorld:
    """A run that sends, on the running event loop; nothing is started yet. `kept`: its progress is committed."""
    settings, kafka, loop = parts.settings, parts.kafka, asyncio.get_running_loop()
    stats = EngineStats(kafka.group, parts.request.topics, parts.request.workflows)
    owner = _owner(parts, kept, lambda: stats.open_events.total() < MAX_OPEN_EVENTS)
    senders = open_senders(settings, settings.workflows, parts.logger)
    topic = open_dead_letters(settings, kafka, dead_letter_partitions, poster(loop), parts.logger)
    group_of = partial(live_group_of, settings)
    edges = EngineDependencies(
        source=owner,
        senders=senders,
        dead_letters=ReplayLetters(topic, dead_letter_partitions, parts.request.name, group_of)
        if topic
        else NoDeadLetters(),
        validator=SchemaValidator(),
        clock=LoopClock(loop),
        logger=parts.logger,
        rng=Random(),
        schemas=open_schemas(settings, poster(loop)),
    )
    policy = _engine_policy(parts, kept)
    engine, sieve = Engine(policy, delivery_rules(settings), edges, stats), _sieve(parts)
    events = SiftedEvents(sieve, engine, _starts(parts))
    return ReplayWorld(owner, events, sieve, engine, topic, tuple(senders))


def _owner(parts: ReplayParts, kept: CommittedProgress | None, has_room: Callable[[], bool]) -> RangeReader:
    left = {tp: stretch for tp, stretch in parts.plan.stretches.items() if stretch.left}
    starts = [ResolvedStart(tp, stretch.at, stretch.done_map) for tp, stretch in left.items()]
    until = {tp: stretch.until for tp, stretch in left.items()}
    loop, config = asyncio.get_running_loop(), range_reader_config(parts.kafka)
    return RangeReader(parts.kafka, config, starts, until, kept, poster(loop), loop.call_later, parts.logger, has_room)


def _starts(parts: ReplayParts) -> dict[TopicPartition, int]:
    return {tp: stretch.at for tp, stretch in parts.plan.stretches.items()}


def _sieve(parts: ReplayParts) -> ReplayFilter:
    settings = parts.settings
    policies = workflow_policies(settings)
    return ReplayFilter(
        record_decoder(settings).decode,
        parts.request.selection,
        [policy.name for policy in policies],
        EventFilter(settings.destination.integration_name, policies),
        parts.plan.done_before,
    )


def _engine_policy(parts: ReplayParts, kept: CommittedProgress | None) -> EnginePolicy:
    """The rules of `run`, but for what marks and slows the requests of a replay."""
    policy = engine_policy(parts.settings, replace(shared_layout(parts.settings), group=parts.kafka.group))
    policy = replace(policy, workflows=tuple(_replaying(workflow, parts.request) for workflow in policy.workflows))
    if kept is None:
        return policy
    room = policy.limits.metadata_max_bytes - max(map(len, kept.prefixes.values()), default=0)
    return replace(
        policy,
        commit_interval_s=min(policy.commit_interval_s, COMMIT_INTERVAL_S),
        limits=replace(policy.limits, metadata_max_bytes=max(0, room)),
    )


def _replaying(workflow: WorkflowPolicy, request: ReplayRequest) -> WorkflowPolicy:
    rates = [rate for rate in (workflow.rate_per_s, request.rate_per_s) if rate is not None]
    return replace(
        workflow,
        headers=(*workflow.headers, (HEADER, request.name)),
        rate_per_s=min(rates, default=None),
        key_suffix=f"-r-{request.name}" if request.new_keys else "",
    )


class ReplayLetters:
    """Fulfils `DeadLetters`.

    A letter belongs to the group that delivers to its workflow, so that it is one with a letter which that group has
    written, or will write, of the same event.
    """

    def __init__(self, topic: DeadLetterTopic, partitions: int, replay: str, group_of: Callable[[str], str]) -> None:
        self._topic = topic
        self._partitions = partitions
        self._replay = replay
        self._group_of = group_of

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Produce one letter."""
        record = letter.record
        headers = letter_headers(letter, self._group_of(letter.workflow or ""), time.time())
        kept = [(name, value) for name, value in headers if name != LETTER_HEADER]
        partition = record.partition if record.partition < self._partitions else -1
        written = Written(partition, record.key, record.value, [*kept, (LETTER_HEADER, self._replay.encode())])
        self._topic.put(written, on_written)

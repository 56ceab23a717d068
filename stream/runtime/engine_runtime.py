"""The edges around one engine: opened together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from stream.engine.engine import Engine, EngineDependencies
from stream.http.sender import WebhookSender
from stream.kafka.client_config import KafkaPolicy, consumer_config, producer_config
from stream.kafka.consumer_thread import ConsumerThread
from stream.kafka.contact import ContactWatch
from stream.kafka.dead_letters import DeadLetterTopic
from stream.kafka.rebalance import Post
from stream.model.errors import EngineInvariantError
from stream.model.events import DeadLetter
from stream.model.ports import Logger
from stream.model.statistics import EngineStats
from stream.rules.listener import DeliveryListener, Spans
from stream.runtime.endpoints import WorkflowEndpoint
from stream.runtime.event_loop import LoopClock
from stream.runtime.extras import open_schemas
from stream.runtime.policies import GroupSpec, dead_letter_plan, delivery_rules, engine_policy
from stream.runtime.start import count_dead_letters
from stream.settings.model import Settings
from stream.telemetry.logs import LineLogger
from stream.telemetry.trace import AttemptLog, GroupTrace
from stream.validation.schemas import SchemaValidator


@dataclass
class EngineRuntime:
    """One engine and everything that it stands on."""

    engine: Engine
    owner: ConsumerThread
    letters: DeadLetterTopic | None
    endpoints: Sequence[WorkflowEndpoint]
    """To the engine's workflows, in their order."""
    senders: list[WebhookSender]
    """Those of `endpoints`, in their order."""
    trace: GroupTrace | None
    logger: Logger
    retiring: dict[asyncio.Task[None], WebhookSender] = field(default_factory=dict)
    """Senders of earlier settings that wait for their last answers."""

    def reconfigure(self, settings: Settings, layout: GroupSpec, endpoints: Sequence[WorkflowEndpoint]) -> None:
        """Use other settings from the next request on. The sender of an unchanged endpoint keeps its connections."""
        former = dict(zip(self.endpoints, self.senders, strict=True))
        self.senders = [
            former.pop(endpoint) if endpoint in former else endpoint.open(self.logger) for endpoint in endpoints
        ]
        self.endpoints = endpoints
        self.engine.reconfigure(engine_policy(settings, layout), delivery_rules(settings), self.senders)
        for sender in former.values():
            retirement = asyncio.create_task(sender.retire())
            self.retiring[retirement] = sender
            retirement.add_done_callback(self._retired)

    def _retired(self, retirement: asyncio.Task[None]) -> None:
        del self.retiring[retirement]

    def flush_trace(self) -> None:
        """Write what the trace has buffered."""
        if self.trace is not None:
            self.trace.flush()

    async def close(self) -> None:
        """The source has ended: close the rest, in the order in which one may still call the other."""
        self.engine.stop()
        if self.letters is not None:
            self.letters.close()
        for sender in (*self.senders, *self.retiring.values()):
            await sender.close()
        for retirement in list(self.retiring):
            retirement.cancel()


class NoDeadLetters:
    """Fulfils `DeadLetters` where there is no topic; the engine holds events instead of writing them."""

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Refuse."""
        raise EngineInvariantError(f"A dead letter of {letter.record.place} without a dead-letter topic.")


def open_dead_letters(
    settings: Settings, kafka: KafkaPolicy, partitions: int, post: Post, logger: LineLogger
) -> DeadLetterTopic | None:
    """The dead-letter topic, which has so many partitions; None where the settings have none."""
    if not settings.dead_letter.enabled:
        return None
    look = partial(count_dead_letters, kafka, dead_letter_plan(settings))
    topic = settings.dead_letter_topic
    return DeadLetterTopic(producer_config(kafka), topic, kafka.group, partitions, post, look, logger)


def build_world(
    settings: Settings,
    layout: GroupSpec,
    endpoints: Sequence[WorkflowEndpoint],
    kafka: KafkaPolicy,
    partitions: int,
    stats: EngineStats,
    logger: LineLogger,
    trace: GroupTrace | None,
    beat: Callable[[], None],
    spans: Spans | None = None,
) -> EngineRuntime:
    """The engine of one layout and its edges, on the running event loop; nothing is started yet.

    `endpoints` lead to the layout's workflows, in their order; `partitions` is how many the dead-letter topic has.
    """
    loop = asyncio.get_running_loop()
    post, logger = poster(loop), logger.bind(group=layout.group)
    letters = open_dead_letters(settings, kafka, partitions, post, logger)
    senders = [endpoint.open(logger) for endpoint in endpoints]
    watched = consumer_config(kafka) | ContactWatch(stats.note_contact, post, logger).options
    owner = ConsumerThread(kafka, watched, post, logger, beat)
    edges = EngineDependencies(
        source=owner,
        senders=senders,
        dead_letters=letters or NoDeadLetters(),
        validator=SchemaValidator(),
        clock=LoopClock(loop),
        logger=logger,
        rng=Random(),
        listeners=_listeners(settings, logger, trace),
        schemas=open_schemas(settings, post),
        spans=spans,
    )
    engine = Engine(engine_policy(settings, layout), delivery_rules(settings), edges, stats)
    return EngineRuntime(engine, owner, letters, endpoints, senders, trace, logger)


def _listeners(settings: Settings, logger: LineLogger, trace: GroupTrace | None) -> list[DeliveryListener]:
    listeners: list[DeliveryListener] = [] if trace is None else [trace]
    return [*listeners, AttemptLog(logger)] if settings.log.level == "debug" else listeners


def poster(loop: asyncio.AbstractEventLoop) -> Post:
    """Runs functions on the loop from any thread; once the loop is closed there is nobody left to tell."""

    def post(function: Callable[..., None], *args: Any) -> None:
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return

    return post

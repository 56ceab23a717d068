"""The edges around one engine: opened together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from stream.app.loop_clock import LoopClock
from stream.app.policies import Layout, delivery_rules, engine_policy
from stream.app.senders import open_senders
from stream.core.errors import EngineInvariantError
from stream.core.model import DeadLetter
from stream.core.ports import Spans
from stream.core.stats import EngineStats
from stream.kafka.client_config import KafkaPolicy, consumer_config, producer_config
from stream.kafka.dead_letters import DeadLetterTopic
from stream.kafka.owner import ConsumerOwner
from stream.kafka.rebalance import Post
from stream.pipeline.engine import Edges, Engine
from stream.settings.model import Settings
from stream.telemetry.logs import StructlogJournal
from stream.telemetry.trace import GroupTrace
from stream.validation.schemas import SchemaValidator
from stream.webhook.choose import WebhookSender


@dataclass
class World:
    """One engine and everything that it stands on."""

    engine: Engine
    owner: ConsumerOwner
    letters: DeadLetterTopic | None
    senders: list[WebhookSender]
    trace: GroupTrace | None

    def flush_trace(self) -> None:
        """Write what the trace has buffered."""
        if self.trace is not None:
            self.trace.flush()

    async def close(self) -> None:
        """The source has ended: close the rest, in the order in which one may still call the other."""
        self.engine.stop()
        if self.letters is not None:
            self.letters.close()
        for sender in self.senders:
            await sender.close()


class NoDeadLetters:
    """Fulfils `DeadLetters` where there is no topic; the engine holds events instead of writing them."""

    def write(self, letter: DeadLetter, on_written: Callable[[str], None]) -> None:
        """Refuse."""
        raise EngineInvariantError(f"A dead letter of {letter.record.place} without a dead-letter topic.")


def build_world(
    settings: Settings,
    layout: Layout,
    kafka: KafkaPolicy,
    partitions: int,
    stats: EngineStats,
    journal: StructlogJournal,
    trace: GroupTrace | None,
    beat: Callable[[], None],
    spans: Spans | None = None,
) -> World:
    """The engine of one layout and its edges, on the running event loop; nothing is started yet.

    `partitions` is how many the dead-letter topic has.
    """
    loop = asyncio.get_running_loop()
    post, journal = poster(loop), journal.bind(group=layout.group)
    letters = None
    if settings.dead_letter.enabled:
        letters = DeadLetterTopic(producer_config(kafka), settings.dead_letter_topic, kafka.group, partitions, post)
    senders = open_senders(settings, layout.workflows, journal)
    owner = ConsumerOwner(kafka, consumer_config(kafka), post, journal, beat)
    edges = Edges(
        source=owner,
        senders=senders,
        dead_letters=letters or NoDeadLetters(),
        validator=SchemaValidator(),
        clock=LoopClock(loop),
        journal=journal,
        rng=Random(),
        trace=trace,
        spans=spans,
    )
    engine = Engine(engine_policy(settings, layout), delivery_rules(settings), edges, stats)
    return World(engine, owner, letters, senders, trace)


def poster(loop: asyncio.AbstractEventLoop) -> Post:
    """Runs functions on the loop from any thread; once the loop is closed there is nobody left to tell."""

    def post(function: Callable[..., None], *args: Any) -> None:
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return

    return post

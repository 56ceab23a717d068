"""What the engine alone costs an event, without Kafka and HTTP: `python tests/bench/engine_cost.py`.

Each variant runs in turn, several rounds, so that a machine whose speed changes is the same for all; the ratio of the
medians to the first one is what to look at. Events are of 800 bytes, of 20,000 users.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import orjson
from support.scripted_workflow import SilentLogger

from stream.engine.delivery_rules import DeliveryRules
from stream.engine.engine import Engine, EngineDependencies
from stream.fql.rules import Filter, FilterSet
from stream.model.attempts import Answer, HttpRequest
from stream.model.events import DeadLetter
from stream.model.policies import EnginePolicy, WorkflowPolicy
from stream.model.ports import Attempt, AttemptResult, Cancel, Offsets, OnResults
from stream.model.records import Record, RecordBatch, TopicPartition
from stream.model.source import StartedPartition
from stream.model.statistics import EngineStats
from stream.rules.outcome import OutcomeTable, RetryPolicy
from stream.validation.schemas import SchemaValidator

EVENTS = 20_000
ROUNDS = 5
OPEN_AT_MOST = 5_000
BATCH = 500
AT_ONCE = 20
"""Answers that come in one turn of the event loop."""
OK = Answer(200)
TP = TopicPartition("events", 0)


@dataclass(frozen=True)
class Variant:
    """One way to run the engine."""

    name: str
    workflows: int = 1
    ordering: str = "user"
    validation: Literal["strict", "lenient", "off"] = "strict"
    secret: bytes = b""
    filters: FilterSet = field(default_factory=FilterSet)


WHERE = "type = 'track' and properties.total >= 40 and !match(traits.email, '*@company.com')"
TWO_FIELDS = Filter("drop_properties", fields=("context.ip", "context.userAgent"))
VARIANTS = (
    Variant("1 workflow, by user, strict"),
    Variant("… validation off", validation="off"),
    Variant("… signed", secret=b"secret"),
    Variant("… no order", ordering="none"),
    Variant("10 workflows", workflows=10),
    Variant("… where", filters=FilterSet(WHERE)),
    Variant("… where, and two fields dropped", filters=FilterSet(WHERE, (TWO_FIELDS,))),
)


class Nobody:
    """Everything around the engine, doing nothing."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def call_at(self, _when: float, _callback: Callable[[], None]) -> Cancel:
        """Never call back."""
        return self

    def cancel(self, _attempt: Attempt = None) -> None:
        """Nothing to cancel."""

    def commit(self, _offsets: Offsets) -> None:
        """Nothing is stored."""

    def set_intake(self, is_open: bool) -> None:
        """Nothing is polled."""

    def set_stopped(self, _tps: Collection[TopicPartition]) -> None:
        """Nothing is polled."""

    def write(self, _letter: DeadLetter, _on_written: Callable[[str], None]) -> None:
        """Nothing is written."""


class Answering(Nobody):
    """A workflow that answers when told to."""

    def __init__(self) -> None:
        self._on_results: OnResults | None = None
        self.waiting: list[AttemptResult] = []

    def send(self, _request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Keep the attempt."""
        self._on_results = on_results
        self.waiting.append((attempt, OK, 0.001))

    async def close(self) -> None:
        """Nothing to close."""

    def answer_all(self) -> None:
        """Answer 200 to everything."""
        waiting, self.waiting = self.waiting, []
        for first in range(0, len(waiting), AT_ONCE):
            if self._on_results is not None:
                self._on_results(waiting[first : first + AT_ONCE])


def records() -> list[Record]:
    """Track events as a web page sends them."""
    chooser = Random(7)
    found = []
    for offset in range(EVENTS):
        user = f"user-{chooser.randrange(20_000)}"
        page = {"path": "/shop/", "referrer": "", "search": "", "title": "Shop", "url": "https://example.com/shop/"}
        event = {
            "type": "track",
            "event": "Order Completed",
            "messageId": f"m-{offset}",
            "userId": user,
            "anonymousId": f"a-{offset:032d}",
            "timestamp": "2026-01-05T09:00:00.000Z",
            "integrations": {"All": True},
            "context": {"ip": "192.0.2.1", "locale": "en-US", "userAgent": "x" * 120, "page": page},
            "properties": {"orderId": offset, "total": 42.5, "products": [{"sku": "a", "quantity": 2}] * 4},
        }
        found.append(Record(*TP, offset, 1_767_603_600_000, user.encode(), orjson.dumps(event)))
    return found


def cost_us(variant: Variant, topic: list[Record]) -> float:
    """CPU microseconds an event from admission to settlement."""
    policies = [
        WorkflowPolicy(
            f"w{n}",
            ordering=variant.ordering,
            max_in_flight=256,
            concurrency=256,
            shared_secret=variant.secret,
            filters=variant.filters,
        )
        for n in range(variant.workflows)
    ]
    nobody, senders = Nobody(), [Answering() for _ in policies]
    stats = EngineStats("bench", [TP.topic], [policy.name for policy in policies])
    edges = EngineDependencies(nobody, senders, nobody, SchemaValidator(), nobody, SilentLogger(), Random(1))
    policy = EnginePolicy("bench", workflows=tuple(policies), validation=variant.validation)
    engine = Engine(policy, DeliveryRules(OutcomeTable(), RetryPolicy()), edges, stats)
    engine.on_assigned([StartedPartition(TP, 1, 0, 0)])
    began, taken = time.process_time(), 0
    while stats.settled.total() < EVENTS:
        if taken < EVENTS and stats.open_events[TP.topic] < OPEN_AT_MOST:
            engine.on_records(RecordBatch(TP, 1, topic[taken : taken + BATCH]))
            taken += BATCH
        for sender in senders:
            sender.answer_all()
    return (time.process_time() - began) / EVENTS * 1e6


def main() -> None:
    """Print a line for each variant."""
    topic = records()
    rounds: dict[str, list[float]] = {variant.name: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant in VARIANTS:
            rounds[variant.name].append(cost_us(variant, topic))
    first = statistics.median(rounds[VARIANTS[0].name])
    for name, costs in rounds.items():
        median = statistics.median(costs)
        print(f"{name:<30} {median:6.2f} us CPU an event   {median / first:5.2f} x")


if __name__ == "__main__":
    main()

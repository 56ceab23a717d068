"""What the demo plays with: an embedded broker full of sample events, and three local workflows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from stream.demo.behaviours import flaky, when
from stream.demo.mock_cluster import MockCluster
from stream.demo.receiver import Receiver
from stream.demo.samples import event_key, sample_events
from stream.demo.topics import produce_events
from stream.settings.model import Settings

TOPIC = "segment-events"
DEAD_LETTERS = "tray.dead-letters"
GROUP = "tray"
PARTITIONS = 4
EVENTS = 400
REJECTED_ORDER = "order-that-the-workflow-rejects"
WORKFLOWS = {
    "everything": "every event",
    "orders": "track events; answers 503 now and then, and rejects one order",
    "privacy": "user deletions only",
}


@dataclass(frozen=True)
class Stage:
    """A broker with the events on it, and the settings that forward them."""

    bootstrap: str
    settings: Settings
    receiver: Receiver

    def produce(self, count: int, seed: int) -> None:
        """Put more sample events on the topic."""
        produce_events(self.bootstrap, TOPIC, list(_given(count, seed)))


@contextmanager
def open_stage(listen: str) -> Iterator[Stage]:
    """Build the stage; everything on it ends with the block."""
    with MockCluster() as broker, Receiver() as receiver:
        broker.create_topic(TOPIC, PARTITIONS)
        broker.create_topic(DEAD_LETTERS, PARTITIONS)
        receiver.script("/orders", when(lambda body: REJECTED_ORDER.encode() in body, 422, flaky(7)))
        stage = Stage(broker.bootstrap, _settings(broker.bootstrap, receiver, listen), receiver)
        stage.produce(EVENTS, seed=1)
        produce_events(broker.bootstrap, TOPIC, [(b"user-1", _rejected_order(), None, None)])
        yield stage


def _settings(bootstrap: str, receiver: Receiver, listen: str) -> Settings:
    workflows: list[dict[str, object]] = [
        {"name": "everything", "url": receiver.url("/everything")},
        {"name": "orders", "url": receiver.url("/orders"), "types": ["track"]},
        {"name": "privacy", "url": receiver.url("/privacy"), "types": ["delete"]},
    ]
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": bootstrap, "topics": [TOPIC], "group_id": GROUP},
            "destination": {"shared_secret": "demo-secret"},
            "workflow": workflows,
            "retry": {"initial": "100ms", "max": "1s"},
            "http": {"listen": listen},
        }
    )


def _given(count: int, seed: int) -> Iterator[tuple[bytes | None, bytes, None, None]]:
    for event in sample_events(count, seed):
        key = event_key(event)
        yield None if key is None else key.encode(), orjson.dumps(event), None, None


def _rejected_order() -> bytes:
    properties = {"orderId": REJECTED_ORDER, "total": -1}
    event = {"type": "track", "event": "Order Completed", "userId": "user-1", "messageId": "demo-rejected-order"}
    return orjson.dumps({**event, "properties": properties})

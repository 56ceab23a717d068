"""Events as Java's producers and CloudEvents' own library write them, through `run --until-end` on real Kafka."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Scene
from cloudevents.v1.http import CloudEvent
from cloudevents.v1.kafka import to_binary, to_structured
from producers_support import EVENTS, run_to_the_end
from support.java_producers import produce_by_java
from support.receiver import FaultReceiver
from support.registry import ApicurioRegistry
from support.topics import Broker, produce_events

pytestmark = pytest.mark.acceptance


def expected(number: int) -> dict[str, Any]:
    """The event of a number."""
    return {
        "type": "track",
        "event": "Order",
        "messageId": f"m-{number}",
        "userId": f"u{number % 50}",
        "properties": {"n": number},
    }


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """One workflow, and a topic that is empty."""
    apache_kafka.create_topic(topic_name, 4)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def assert_all_arrive(scene: Scene, form: str) -> None:
    """Each event once, as it was."""
    assert run_to_the_end(scene, form) == {f"m-{n}": expected(n) for n in range(EVENTS)}


def test_kafka_connects_json_converter(scene: Scene) -> None:
    """With schemas, as it is set by default."""
    scene.configure(scene.workflow("orders"), kafka={"unwrap": "connect"})
    produce_by_java("connect", scene.broker.bootstrap, scene.topic, EVENTS)
    assert_all_arrive(scene, "Kafka Connect's JsonConverter")


@pytest.mark.parametrize("form", ["avro", "json", "protobuf"])
def test_serialisers_on_java(scene: Scene, registry: ApicurioRegistry, form: str) -> None:
    """Apicurio's register their schema and write the frame; Protobuf's has the name of the type in it."""
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    url = registry.url.replace("/apis/ccompat/v7", "/apis/registry/v2")
    produce_by_java(form, scene.broker.bootstrap, scene.topic, EVENTS, url)
    assert_all_arrive(scene, f"{form} on Java")


@pytest.mark.parametrize("unwrap", [None, "cloudevents"])
def test_cloudevents_in_binary_mode(scene: Scene, unwrap: str | None) -> None:
    """They need no setting, and bear the one for the other mode."""
    scene.configure(scene.workflow("orders"), kafka={"unwrap": unwrap} if unwrap else {})
    produce_cloudevents(scene, "binary")
    assert_all_arrive(scene, f"CloudEvents, binary, unwrap {unwrap}")


def test_cloudevents_in_structured_mode(scene: Scene) -> None:
    """The event is in `data`."""
    scene.configure(scene.workflow("orders"), kafka={"unwrap": "cloudevents"})
    produce_cloudevents(scene, "structured")
    assert_all_arrive(scene, "CloudEvents, structured")


def produce_cloudevents(scene: Scene, mode: str) -> None:
    """By the library's own binding to Kafka."""
    given: list[Any] = []
    for number in range(EVENTS):
        attributes = {"type": "shop.order", "source": "/shop", "partitionkey": f"u{number % 50}"}
        attributes["datacontenttype"] = "application/json"
        event = CloudEvent(attributes, expected(number))
        message = to_binary(event) if mode == "binary" else to_structured(event)
        value = message.value if isinstance(message.value, bytes) else str(message.value).encode()
        headers = [
            (name, text if isinstance(text, bytes) else str(text).encode()) for name, text in message.headers.items()
        ]
        given.append((f"u{number % 50}", value, None, headers))
    produce_events(scene.broker.bootstrap, scene.topic, given)

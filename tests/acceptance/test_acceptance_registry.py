"""Events written by real producers with a real Schema Registry, and a registry that goes away, on real Kafka."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Metrics, Scene, call_here, header_texts, make_event
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, struct_pb2
from support.receiver import FaultReceiver
from support.registry import ApicurioRegistry, ScriptedRegistry
from support.topics import Broker, produce_events, read_topic
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

EVENTS = int(os.environ.get("PRODUCED", "") or 200)
"""`make producers` writes 10,000 of each."""
PARTITIONS = 4
TIMES = "2026-01-05T09:00:00.250000Z"
AVRO = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "type", "type": {"type": "enum", "name": "Kind", "symbols": ["track", "identify"]}},
        {"name": "event", "type": ["null", "string"]},
        {"name": "messageId", "type": "string"},
        {"name": "userId", "type": "string"},
        {"name": "timestamp", "type": "string"},
        {
            "name": "properties",
            "type": {
                "type": "record",
                "name": "Properties",
                "fields": [{"name": "n", "type": "long"}, {"name": "padding", "type": "string"}],
            },
        },
    ],
}
Serialise = Callable[[dict[str, Any]], bytes]


def avro(client: SchemaRegistryClient, topic: str) -> Serialise:
    """As confluent-kafka's AvroSerializer writes it."""
    serializer = AvroSerializer(client, json.dumps(AVRO))
    return lambda event: bytes(serializer(event, SerializationContext(topic, MessageField.VALUE)) or b"")


def json_schema(client: SchemaRegistryClient, topic: str) -> Serialise:
    """As its JSONSerializer writes it."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Event", "type": "object"}
    serializer = JSONSerializer(json.dumps(schema), client)
    return lambda event: bytes(serializer(event, SerializationContext(topic, MessageField.VALUE)) or b"")


def protobuf(client: SchemaRegistryClient, topic: str) -> Serialise:
    """As its ProtobufSerializer writes it."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{topic}.proto", package="shop", syntax="proto3")
    file.dependency.append("google/protobuf/struct.proto")
    message = file.message_type.add(name="Event")
    for number, name in enumerate(("type", "event", "message_id", "user_id", "timestamp"), 1):
        message.field.add(name=name, number=number, type=9, label=1)
    message.field.add(name="properties", number=6, type=11, label=1, type_name=".google.protobuf.Struct")
    pool = descriptor_pool.DescriptorPool()
    struct = descriptor_pb2.FileDescriptorProto()
    struct_pb2.DESCRIPTOR.CopyToProto(struct)
    pool.Add(struct)
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Event"))
    serializer = ProtobufSerializer(kind, client, {"use.deprecated.format": False})
    context = SerializationContext(topic, MessageField.VALUE)
    return lambda event: bytes(serializer(json_format.ParseDict(event, kind()), context) or b"")


def produce(scene: Scene, events: list[dict[str, Any]], serialise: Serialise) -> None:
    """Put them on the topic, by user."""
    given = [(event["userId"], serialise(event), None, None) for event in events]
    produce_events(scene.broker.bootstrap, scene.topic, given)


def arrived(scene: Scene) -> dict[str, Any]:
    """What the workflow took, by message id; each came once."""
    bodies = [json.loads(arrival.body) for arrival in scene.receiver.successes("/orders")]
    by_id = {body["messageId"]: body for body in bodies}
    assert len(by_id) == len(bodies)
    return by_id


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """One workflow, and a topic that is empty."""
    apache_kafka.create_topic(topic_name, PARTITIONS)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


@pytest.mark.parametrize("serialiser", [avro, json_schema, protobuf])
def test_what_serialisers_write_is_delivered(
    scene: Scene, registry: ApicurioRegistry, serialiser: Callable[[SchemaRegistryClient, str], Serialise]
) -> None:
    """Every event once, as the JSON that it stands for."""
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    events = [make_event(number) for number in range(EVENTS)]
    with SchemaRegistryClient({"url": registry.url}) as client:
        produce(scene, events, serialiser(client, scene.topic))
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    assert arrived(scene) == {event["messageId"]: event for event in events}


def test_a_registry_that_goes_away_under_load(scene: Scene, registry: ApicurioRegistry) -> None:
    """It hangs, then a schema is met that is not known: its partition waits, and nothing is lost or dead-lettered."""
    away_s = float(os.environ.get("AWAY_S", "") or 3)
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    second = {**AVRO, "fields": [*AVRO["fields"], {"name": "more", "type": ["null", "string"], "default": None}]}
    with SchemaRegistryClient({"url": registry.url}) as client:
        first = avro(client, scene.topic)
        serializer = AvroSerializer(client, json.dumps(second))
        context = SerializationContext(scene.topic, MessageField.VALUE)
        later: Serialise = lambda event: bytes(serializer({"more": "x", **event}, context) or b"")  # noqa: E731
        later(make_event(0))  # registered while the registry is there
        events = [make_event(number) for number in range(3 * EVENTS)]
        produce(scene, events[:EVENTS], first)
        with scene.start() as run:
            wait_until(lambda: len(scene.receiver.successes("/orders")) >= EVENTS, "the first events arrive")
            registry.pause()
            try:
                produce(scene, events[EVENTS : 2 * EVENTS], first)
                produce(scene, events[2 * EVENTS :], later)
                wait_until(lambda: run.metrics().total("tray_partitions_awaiting_schema") > 0, "a partition waits")
                run.line("The Schema Registry does not answer")
                wait_until(lambda: len(scene.receiver.successes("/orders")) >= 2 * EVENTS, "the known schema is read")
                over_at = time.monotonic() + away_s
                wait_until(lambda: time.monotonic() > over_at, "the outage is over", timeout=away_s + 60)
            finally:
                registry.resume()
            wait_until(lambda: len(scene.receiver.successes("/orders")) >= 3 * EVENTS, "the rest arrives")
            wait_until(lambda: run.metrics().total("tray_partitions_awaiting_schema") == 0, "none waits")
            metrics: Metrics = run.metrics()
            assert metrics.total("tray_schema_requests_total", result="failed") > 0
            assert metrics.total("tray_dead_letters_total") == 0
            assert run.stop() == 0
    assert arrived(scene).keys() == {event["messageId"] for event in events}


def test_a_dead_letter_is_redriven_and_a_replay_decodes(scene: Scene, registry: ApicurioRegistry) -> None:
    """The letter holds the record as it was; who sends it again asks the registry."""
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    with SchemaRegistryClient({"url": registry.url}) as client:
        serialise = avro(client, scene.topic)
        produce(scene, [make_event(1)], serialise)
        scene.receiver.script("/orders", 422)
        with scene.start("--until-end") as run:
            assert run.wait() == 0
        [letter] = read_topic(scene.broker.bootstrap, scene.dead_letters)
        assert letter.value == serialise(make_event(1))
    scene.receiver.heal("/orders")
    for words in (("dead-letters", "redrive"), ("replay", "--from", "earliest")):
        done = call_here(scene.directory, *words, "--execute")
        assert done.returncode == 0, done.stderr
        assert json.loads(scene.receiver.successes("/orders")[-1].body) == make_event(1)
    assert len(scene.receiver.successes("/orders")) == 2
    place = header_texts(letter.headers)
    record = ":".join(place[f"tray.{part}"] for part in ("topic", "partition", "offset"))
    explained = call_here(scene.directory, "explain", record, "--json")
    assert json.loads(explained.stdout)["decoded"]["type"] == "track"


REFUSALS: dict[str, tuple[int, Any, str]] = {
    "credentials": (401, {"error_code": 401, "message": "no"}, "schema_registry.username"),
    "forbidden": (403, {"error_code": 40301, "message": "no"}, "may not read schemas"),
    "a wrong path": (404, b"<html>nothing here</html>", "schema_registry.url"),
    "a missing subject": (404, {"error_code": 40401, "message": "no"}, "schema_registry.url"),
    "an error": (500, {"error_code": 50001, "message": "no"}, "it answers 500"),
    "no JSON": (200, b"hello", "Error"),
}


@pytest.mark.parametrize(("status", "answer", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_registry_that_does_not_say(scene: Scene, status: int, answer: Any, said: str) -> None:
    """Nothing is dead-lettered for it; once it answers, everything is delivered."""
    healed: dict[str, Any] = {}
    with ScriptedRegistry(lambda _path: healed.get("answer", (status, answer))) as registry:
        section = {"url": registry.url, "username": "tray", "password": "S3cret-of-the-registry"}
        scene.configure(scene.workflow("orders"), schema_registry=section)
        produce(scene, [make_event(1)], lambda event: b"\x00\x00\x00\x00\x05" + json.dumps(event).encode())
        with scene.start("--until-end") as run:
            line = run.line("The Schema Registry does not answer")
            assert said in line
            assert "S3cret" not in line
            healed["answer"] = (200, {"schema": "{}", "schemaType": "JSON"})
            assert run.wait() == 0
            assert "S3cret-of-the-registry" not in run.log
    assert set(registry.credentials) == {"Basic dHJheTpTM2NyZXQtb2YtdGhlLXJlZ2lzdHJ5"}
    assert arrived(scene).keys() == {"m-1"}
    assert read_topic(scene.broker.bootstrap, scene.dead_letters) == []


def test_an_id_that_is_not_known_is_a_dead_letter(scene: Scene, registry: ApicurioRegistry) -> None:
    """And the partition is read on."""
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    values = [b"\x00\x00\x0f\x00\x00\x02", b"\x00\x00", json.dumps(make_event(1)).encode()]
    produce_events(scene.broker.bootstrap, scene.topic, [("k", value, 0, None) for value in values])
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    assert arrived(scene).keys() == {"m-1"}
    letters = [header_texts(letter.headers) for letter in read_topic(scene.broker.bootstrap, scene.dead_letters)]
    assert {letter["tray.reason"] for letter in letters} == {"invalid_event"}
    assert len(letters) == 2

"""Events written by real producers with a real Schema Registry, and a registry that goes away, on real Kafka."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Program, Scene, call_here, header_texts, make_event
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, struct_pb2
from producers_support import EVENTS, arrived, run_to_the_end
from support.receiver import FaultReceiver
from support.registry import ApicurioRegistry, ScriptedRegistry
from support.topics import Broker, Given, produce_events, read_topic
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

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
LATER = {**AVRO, "fields": [*AVRO["fields"], {"name": "more", "type": ["null", "string"], "default": None}]}
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
    form = f"{serialiser.__name__} by confluent-kafka"
    assert run_to_the_end(scene, form) == {event["messageId"]: event for event in events}


OUTAGES = {
    "hangs": (ApicurioRegistry.pause, ApicurioRegistry.resume),
    "killed": (ApicurioRegistry.close, ApicurioRegistry.start),
}
AWAY_S = float(os.environ.get("AWAY_S", "") or 3)
"""How long the registry is away; `make producers` takes 30 s."""
CHUNK = 50
AWAITING = "tray_partitions_awaiting_schema"


@pytest.mark.parametrize("outage", OUTAGES)
def test_a_registry_that_goes_away_under_load(scene: Scene, registry: ApicurioRegistry, outage: str) -> None:
    """A schema is met that is not known: its partition waits, the others flow, and nothing is lost or dead-lettered."""
    begin, end = OUTAGES[outage]
    scene.configure(scene.workflow("orders"), schema_registry={"url": registry.url})
    with SchemaRegistryClient({"url": registry.url}) as client:
        known = avro(client, scene.topic)
        known(make_event(0))
        serializer = AvroSerializer(client, json.dumps(LATER))
        context = SerializationContext(scene.topic, MessageField.VALUE)
        unknown: Serialise = lambda event: bytes(serializer({"more": "x", **event}, context) or b"")  # noqa: E731
        unknown(make_event(0))  # registered while the registry is there
    numbers = itertools.count()
    with scene.start() as run:
        taken, waiting = put(scene, numbers, EVENTS, known, range(1, PARTITIONS)), 0
        wait_until(partial(have_arrived, scene, taken), "the first events arrive")
        memory = [resident_mib(run)]
        begin(registry)
        try:
            over_at = time.monotonic() + AWAY_S
            while time.monotonic() < over_at or not run.metrics().total(AWAITING):
                waiting += put(scene, numbers, CHUNK, unknown, range(1))
                taken += put(scene, numbers, CHUNK, known, range(1, PARTITIONS))
                wait_until(partial(have_arrived, scene, taken), "the other partitions flow")
                memory.append(resident_mib(run))
            run.line("The Schema Registry does not answer")
        finally:
            end(registry)
        wait_until(partial(have_arrived, scene, taken + waiting), "the rest arrives")
        wait_until(lambda: run.metrics().total(AWAITING) == 0, "none waits")
        metrics = run.metrics()
        failed = metrics.total("tray_schema_requests_total", result="failed")
        assert failed > 0
        assert metrics.total("tray_dead_letters_total") == 0
        counts = f"{waiting} events waited, {taken} flowed, {failed:.0f} requests failed"
        print(f"registry {outage}, {AWAY_S:.0f} s: {counts}; resident memory {memory[0]:.1f} MiB before,")
        print(f"  at most {max(memory):.1f} MiB during, {resident_mib(run):.1f} MiB after")
        assert run.stop() == 0
    assert arrived(scene).keys() == {f"m-{number}" for number in range(next(numbers))}
    assert read_topic(scene.broker.bootstrap, scene.dead_letters) == []


def put(scene: Scene, numbers: Iterator[int], count: int, serialise: Serialise, partitions: Sequence[int]) -> int:
    """Produce the next `count` events to these partitions; how many."""
    events = [make_event(number) for number in itertools.islice(numbers, count)]
    given: list[Given] = [
        (event["userId"], serialise(event), partitions[number % len(partitions)], None)
        for number, event in enumerate(events)
    ]
    produce_events(scene.broker.bootstrap, scene.topic, given)
    return count


def have_arrived(scene: Scene, count: int) -> bool:
    """Whether so many events were taken."""
    return len(scene.receiver.successes("/orders")) >= count


def resident_mib(run: Program) -> float:
    """Memory of the process."""
    return run.metrics().total("process_resident_memory_bytes") / 2**20


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

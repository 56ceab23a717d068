"""A real registry: what confluent-kafka's serializers write is delivered as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from registry_support import EVENT, avro, decoder, detail, event, framed, written
from support.registry import ApicurioRegistry

PROTO = """syntax = "proto3";
package shop;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "shop/user.proto";
enum Plan { FREE = 0; PAID = 1; }
message Other { string x = 1; }
message Event {
  string type = 1; string user_id = 2; string event = 3; google.protobuf.Struct properties = 4;
  google.protobuf.Timestamp sent_at = 5; Plan plan = 6; bytes raw = 7; int64 big = 8; User user = 9;
  message Inner { string type = 1; string user_id = 2; string event = 3; }
}
"""
USER = 'syntax = "proto3"; package shop; message User { string name = 1; }'


def serialise(serializer: Any, topic: str, value: Any) -> bytes:
    """A value as a producer writes it."""
    found: bytes = serializer(value, SerializationContext(topic, MessageField.VALUE))
    return found


@pytest.fixture
def client(registry: ApicurioRegistry) -> Iterator[SchemaRegistryClient]:
    """A producer's client."""
    with SchemaRegistryClient({"url": registry.url}) as client:
        yield client


def test_avro(registry: ApicurioRegistry, client: SchemaRegistryClient, topic_name: str, tmp_path: Path) -> None:
    """Two versions of a schema on one topic, each value by its own."""
    first, second = avro([]), avro([{"name": "more", "type": ["null", "string"], "default": None}])
    decode = decoder(tmp_path, registry.url)
    for schema, value in ((first, EVENT), (second, {**EVENT, "more": "x"}), (first, EVENT)):
        serializer = AvroSerializer(client, json.dumps(schema))
        assert event(decode(serialise(serializer, topic_name, value))) == value


def test_avro_with_references(registry: ApicurioRegistry, topic_name: str, tmp_path: Path) -> None:
    """A schema that refers to another, which refers to a third."""
    inner = {"type": "record", "name": "C", "namespace": "x", "fields": [{"name": "c", "type": "int"}]}
    middle = {"type": "record", "name": "B", "namespace": "x", "fields": [{"name": "b", "type": "C"}]}
    outer = avro([{"name": "v", "type": "x.B"}])
    refer = [{"name": f"x.{name}", "subject": f"{topic_name}-{name}", "version": 1} for name in "CB"]
    registry.register(f"{topic_name}-C", json.dumps(inner))
    registry.register(f"{topic_name}-B", json.dumps(middle), references=refer[:1])
    number = registry.register(topic_name, json.dumps(outer), references=refer[1:])
    whole = avro([{"name": "v", "type": {**middle, "fields": [{"name": "b", "type": inner}]}}])
    value = {**EVENT, "v": {"b": {"c": 5}}}
    assert event(decoder(tmp_path, registry.url)(framed(number, written(whole, value)))) == value


def test_json_schema(registry: ApicurioRegistry, client: SchemaRegistryClient, topic_name: str, tmp_path: Path) -> None:
    """The bytes behind the frame are forwarded as they stand."""
    serializer = JSONSerializer(
        json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "title": "Ev"}), client
    )
    value = serialise(serializer, topic_name, EVENT)
    decoded = decoder(tmp_path, registry.url)(value)
    assert event(decoded) == EVENT
    assert getattr(decoded, "body", b"") == value[5:]


def test_protobuf_in_its_language(registry: ApicurioRegistry, topic_name: str, tmp_path: Path) -> None:
    """A schema as Java's serializers register it, with an import, and with another message than its first."""
    registry.register(f"{topic_name}-user", USER, "PROTOBUF")
    refer = [{"name": "shop/user.proto", "subject": f"{topic_name}-user", "version": 1}]
    number = registry.register(topic_name, PROTO, "PROTOBUF", refer)
    decode = decoder(tmp_path, registry.url)
    properties = struct_pb2.Struct()
    properties.update({"revenue": 12.5, "items": [1, "a", None]})
    payload = (
        b"\x0a\x05track\x12\x02u1\x1a\x05Order\x22" + bytes([properties.ByteSize()]) + properties.SerializeToString()
    )
    payload += b"\x2a\x02\x08\x01" + b"\x30\x01" + b"\x3a\x02\x00\xff" + b"\x40\x05" + b"\x4a\x03\x0a\x01n"
    expected = {
        "properties": {"revenue": 12.5, "items": [1, "a", None]},
        "sentAt": "1970-01-01T00:00:01Z",
        "plan": "PAID",
        "raw": "AP8=",
        "big": "5",
        "user": {"name": "n"},
    }
    assert event(decode(framed(number, b"\x02\x02" + payload))) == {**EVENT, **expected}
    assert event(decode(framed(number, b"\x04\x02\x00" + payload[:18]))) == EVENT
    assert "its message indexes" in detail(decode(framed(number, b"\xff\xff\x7f")))
    for wrong in (b"\x02\x0a", b"\x02\x02\x0a\xff", b"\x02"):
        assert "cannot be read" in detail(decode(framed(number, wrong)))


def test_protobuf_with_all_kinds_of_imports(registry: ApicurioRegistry, topic_name: str, tmp_path: Path) -> None:
    """Confluent's own files, Google's types, and a reference that was registered as a descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name="ref.proto", package="shop", syntax="proto3")
    file.message_type.add(name="Ref").field.add(name="a", number=1, type=9, label=1)
    encoded = base64.b64encode(file.SerializeToString()).decode()
    registry.register(f"{topic_name}-ref", encoded, "PROTOBUF")
    text = """syntax = "proto3"; import "confluent/meta.proto"; import "google/type/date.proto"; import "ref.proto";
        message Event {
          string type = 1 [(confluent.field_meta).doc = "its type"]; string user_id = 2; string event = 3;
          google.type.Date day = 4; shop.Ref ref = 5;
        }"""
    refer = [{"name": "ref.proto", "subject": f"{topic_name}-ref", "version": 1}]
    number = registry.register(topic_name, text, "PROTOBUF", refer)
    payload = b"\x0a\x05track\x12\x02u1\x1a\x05Order\x22\x03\x08\xea\x0f\x2a\x03\x0a\x01r"
    decode = decoder(tmp_path, registry.url)
    assert event(decode(framed(number, b"\x00" + payload))) == {**EVENT, "day": {"year": 2026}, "ref": {"a": "r"}}


def test_protobuf_that_stands_for_a_lot(registry: ApicurioRegistry, topic_name: str, tmp_path: Path) -> None:
    """A byte may stand for a long name, and messages may lie in one another."""
    decode = decoder(tmp_path, registry.url, rest='[limits]\nmax_open_bytes = "1MiB"')
    names = 'syntax = "proto3"; message M { repeated E e = 1; } enum E { ' + "A" * 5_000 + " = 0; }"
    number = registry.register(f"{topic_name}-names", names, "PROTOBUF")
    assert "limits.max_open_bytes" in detail(decode(framed(number, b"\x00\x0a\x90\x4e" + b"\x00" * 10_000)))
    number = registry.register(f"{topic_name}-nested", 'syntax = "proto3"; message M { M m = 1; }', "PROTOBUF")
    inner = b""
    for _ in range(120):
        inner = (
            b"\x0a"
            + (bytes([len(inner)]) if len(inner) < 128 else bytes([len(inner) & 127 | 128, len(inner) >> 7]))
            + inner
        )
    assert "cannot be read" in detail(decode(framed(number, b"\x00" + inner)))


def test_protobuf_by_pythons_serializer(
    registry: ApicurioRegistry, client: SchemaRegistryClient, topic_name: str, tmp_path: Path
) -> None:
    """It registers the descriptor instead of the text."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{topic_name}.proto", package="p", syntax="proto3")
    message = file.message_type.add(name="Event")
    for number, name in enumerate(("type", "user_id", "event"), 1):
        message.field.add(name=name, number=number, type=9, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("p.Event"))
    serializer = ProtobufSerializer(kind, client, {"use.deprecated.format": False})
    value = serialise(serializer, topic_name, kind(type="track", user_id="u1", event="Order"))
    assert event(decoder(tmp_path, registry.url)(value)) == EVENT


def test_a_wrapped_event_in_avro(registry: ApicurioRegistry, topic_name: str, tmp_path: Path) -> None:
    """It is decoded, then unwrapped."""
    schema = {"type": "record", "name": "W", "fields": [{"name": "payload", "type": avro([])}]}
    number = registry.register(topic_name, json.dumps(schema))
    decode = decoder(tmp_path, registry.url, kafka='unwrap = "payload"')
    assert event(decode(framed(number, written(schema, {"payload": EVENT})))) == EVENT


@pytest.mark.parametrize("value", [framed(999_999, b"\x00"), framed(999_999, b"{}"), b"\x00\x00\x00"])
def test_a_frame_that_leads_nowhere(registry: ApicurioRegistry, tmp_path: Path, value: bytes) -> None:
    """An id that the registry does not know, and a frame that is cut short."""
    said = detail(decoder(tmp_path, registry.url)(value))
    assert "schema id 999999 is not known to the registry" in said or "cut short" in said


def test_plain_json_beside_it(registry: ApicurioRegistry, tmp_path: Path) -> None:
    """Values without a frame are read as ever."""
    assert event(decoder(tmp_path, registry.url)(json.dumps(EVENT).encode())) == EVENT

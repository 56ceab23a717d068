"""`check` says in which form the records of a topic are, and which of the two mistakes the settings make."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.registry import ApicurioRegistry, ScriptedRegistry
from support.topics import Broker, produce_events

from stream.check.kafka import check_kafka
from stream.settings.model import Settings

EVENT = b'{"type":"track","userId":"u1","event":"A","messageId":"m"}'
CONNECT = b'{"schema":{"type":"struct"},"payload":' + EVENT + b"}"
CLOUD = b'{"specversion":"1.0","id":"1","source":"/","type":"a.b","userId":"u","data":' + EVENT + b"}"
FRAMED = b"\x00\x00\x0f\x00\x00\x0atrack"

CASES: dict[str, tuple[list[bytes | None], dict[str, Any], str, str]] = {
    "plain": ([EVENT, EVENT, None], {}, "ok", "the last 2 are events (JSON): track"),
    "nothing": ([], {}, "ok", "none to look at"),
    "wrapped, and it is set": ([CONNECT], {"unwrap": "connect"}, "ok", "(JSON, unwrapped by connect): track"),
    "wrapped, and it is not set": ([CONNECT] * 3, {}, "failed", 'set kafka.unwrap = "connect"'),
    "plain, and it is set": ([EVENT] * 3, {"unwrap": "connect"}, "failed", "looks like plain events"),
    "wrapped, with a type of its own": ([CLOUD], {}, "warning", 'set kafka.unwrap = "cloudevents"'),
    "framed": ([FRAMED], {}, "failed", "framed value, looks like Avro or Protobuf: set [schema_registry]"),
    "some": ([EVENT, b'{"type":"track"}'], {}, "warning", "1 of the last 2 are no events"),
}


def finding(
    broker: Broker, topic: str, values: list[bytes | None], kafka: dict[str, Any], **more: Any
) -> tuple[str, str]:
    """What is said of a topic with these values."""
    broker.create_topic(topic)
    produce_events(broker.bootstrap, topic, [("k", value, None, None) for value in values])
    section = {"bootstrap_servers": broker.bootstrap, "topics": [topic], "group_id": topic, **kafka}
    workflow = {"name": "orders", "url": "https://hooks.example.com/wf/1"}
    settings = Settings.model_validate({"kafka": section, "workflow": [workflow], **more})
    found = {each.what: each for each in check_kafka(settings)}[f"records of {topic}"]
    return found.verdict, found.detail


@pytest.mark.parametrize(("values", "kafka", "verdict", "said"), CASES.values(), ids=CASES)
def test_the_form_of_a_topic(
    apache_kafka: Broker, topic_name: str, values: list[bytes | None], kafka: dict[str, Any], verdict: str, said: str
) -> None:
    """By its last records."""
    found = finding(apache_kafka, topic_name, values, kafka)
    assert found[0] == verdict, found
    assert said in found[1]


def test_a_topic_with_a_registry(apache_kafka: Broker, registry: ApicurioRegistry, topic_name: str) -> None:
    """It is asked, and unknown ids are named."""
    number = registry.register(topic_name, json.dumps({"$schema": "http://json-schema.org/draft-07/schema#"}), "JSON")
    values: list[bytes | None] = [b"\x00" + number.to_bytes(4, "big") + EVENT, EVENT, FRAMED]
    verdict, said = finding(apache_kafka, topic_name, values, {}, schema_registry={"url": registry.url})
    assert verdict == "warning"
    assert "1 of the last 3 are no events: The framed value cannot be read: schema id 983040 is not known" in said


def test_a_registry_that_is_away(apache_kafka: Broker, topic_name: str) -> None:
    """It is a failure of the topic that needs it."""
    registry = ScriptedRegistry(lambda _path: (500, {}))
    verdict, said = finding(apache_kafka, topic_name, [FRAMED], {}, schema_registry={"url": registry.url})
    assert verdict == "failed"
    assert said.startswith("with a schema's id. The Schema Registry does not answer: ")

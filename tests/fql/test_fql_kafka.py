"""Three workflows that want different things of one topic: each gets exactly what Segment's own code says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Scene
from assertions import filled
from fql_generator import Generator
from fql_segment import Segment, installed
from support import topics
from support.receiver import FaultReceiver

from stream.demo.apache_kafka import ApacheKafka
from stream.fql.fields import by_parent
from stream.fql.ir import to_ir
from stream.fql.parser import parse

EVENTS = 50_000
AT_ONCE = 2_000
WANTED: dict[str, dict[str, Any]] = {
    "whole": {
        "where": "match(event, 'Order *') and !(properties.total = null) or contains(traits.address.city, 'a')",
        "filters": [],
    },
    "private": {
        "where": "type != 'page'",
        "filters": [
            {"action": "drop", "if": "properties.vip or length(properties.features) > 1"},
            {"action": "drop_properties", "fields": ["traits.email", "properties.products.price", "properties.plan"]},
        ],
    },
    "narrow": {
        "where": "semver(context.app.version, '>=', '1.5') and properties.number <= 50",
        "filters": [
            {"action": "drop_properties", "if": "typeof(properties.text) = 'string'", "fields": ["context.ip"]},
            {"action": "allow_properties", "fields": ["properties.number", "properties.products"]},
        ],
    },
}


@pytest.fixture
def scene(apache_kafka: ApacheKafka, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic with four partitions."""
    topics.create_topic(apache_kafka.bootstrap, topic_name, 4)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def generated() -> list[str]:
    """Events of every kind, each with an id of its own."""
    generator = Generator(50)
    return [re.sub(r'"m-[0-9]+"', f'"m-{number}"', generator.event(), count=1) for number in range(EVENTS)]


def rules_of(wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """A workflow's wishes as Segment's rules: what it does not ask for is dropped first."""
    rules: list[dict[str, Any]] = [{"ir": ["!", to_ir(parse(wanted["where"]))], "transformer": {"type": "drop"}}]
    for each in wanted["filters"]:
        groups = {".".join(parent): list(names) for parent, names in by_parent(each.get("fields", ())).items()}
        transformer = {"type": each["action"], "config": {"drop": groups, "allow": groups}}
        rules.append({"ir": to_ir(parse(each["if"])) if "if" in each else None, "transformer": transformer})
    return rules


def expected(segment: Segment, events: Sequence[str], rules: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The id and body, as JavaScript writes it, of each event that Segment would send."""
    for some in batched(events):
        for answer in segment.transformed([(event, rules) for event in some]):
            if answer[0] == "sent":
                yield json.loads(answer[1])["messageId"], answer[1]


@pytest.mark.kafka
@pytest.mark.acceptance
def test_each_workflow_gets_what_segment_would_send(scene: Scene) -> None:
    """50,000 events on Apache Kafka: the same events, the same contents, the topic's bytes where nothing changed."""
    events = generated()
    written = {f"m-{number}": event.encode() for number, event in enumerate(events)}
    topics.produce_events(
        scene.broker.bootstrap, scene.topic, [(key.encode(), value, None, None) for key, value in written.items()]
    )
    workflows = [scene.workflow(name, ordering="none", **wanted) for name, wanted in WANTED.items()]
    scene.configure(*workflows, validation={"mode": "lenient"})
    with scene.start("--until-end") as program:
        assert program.wait(600) == 0
    with Segment(installed()) as segment:
        originals = dict(zip(written, segment_json(segment, events), strict=True))
        for name, wanted in filled(WANTED.items()):
            should = dict(expected(segment, events, rules_of(wanted)))
            bodies = {
                arrival.headers["idempotency-key"]: arrival.body for arrival in scene.receiver.successes(f"/{name}")
            }
            assert bodies.keys() == should.keys()
            assert 500 < len(bodies) < EVENTS
            sent = dict(zip(bodies, segment_json(segment, [body.decode() for body in bodies.values()]), strict=True))
            assert sent == should
            untouched = [key for key, body in should.items() if body == originals[key]]
            assert bool(untouched) is (name != "narrow")
            assert [key for key in untouched if bodies[key] != written[key]] == []


def batched(items: Sequence[str]) -> Iterator[list[str]]:
    """Some at a time."""
    return (list(items[first : first + AT_ONCE]) for first in range(0, len(items), AT_ONCE))


def segment_json(segment: Segment, texts: Sequence[str]) -> list[str]:
    """Each text as JavaScript writes it after reading it."""
    return [written for some in batched(texts) for written in segment.json(some)]

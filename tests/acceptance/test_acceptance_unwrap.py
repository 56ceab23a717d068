"""Events that lie wrapped on their topic, from `run` to `redrive`, on real Kafka."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acceptance_support import call_here, header_texts
from letters_support import LetterScene
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events, read_topic

from stream.demo.behaviours import when

pytestmark = pytest.mark.acceptance

EVENTS = [
    b'{ "type":"track", "messageId":"m-%d", "userId":"u%d" ,"event":"A","n":1.50 }' % (number, number % 3)
    for number in range(9)
]
SCHEMA = b'{"type":"struct","fields":[{"field":"type","type":"string"}]}'


def test_wrapped_events_are_delivered_as_their_bytes_stand(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """Dead letters hold the whole record, and a redrive unwraps it; a record without an event is invalid."""
    scene = LetterScene(apache_kafka, topic_name, receiver, tmp_path)
    scene.create()
    scene.configure(scene.workflow("orders"), kafka={"unwrap": "connect"})
    wrapped = [b'{"schema":' + SCHEMA + b',"payload":' + event + b"}" for event in EVENTS]
    values = [*wrapped, b'{"schema":null}']
    produce_events(apache_kafka.bootstrap, topic_name, [("key", value, 0, None) for value in values])
    receiver.script("/orders", when(lambda body: body == EVENTS[0], 422))
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    assert {arrival.body for arrival in receiver.arrivals("/orders")} == set(EVENTS)
    letters = read_topic(apache_kafka.bootstrap, scene.dead_letters)
    by_reason = {header_texts(letter.headers)["tray.reason"]: letter for letter in letters}
    assert by_reason["rejected"].value == wrapped[0]
    assert header_texts(by_reason["invalid_event"].headers)["tray.detail"] == "no event at payload"

    receiver.heal("/orders")
    assert scene.redrive("--reason", "rejected")["redriven"] == 1
    assert receiver.arrivals("/orders")[-1].body == EVENTS[0]
    sent = len(receiver.arrivals("/orders"))
    replayed = call_here(tmp_path, "replay", "--from", "earliest", "--execute")
    assert replayed.returncode == 0, replayed.stderr
    assert {arrival.body for arrival in receiver.arrivals("/orders")[sent:]} == set(EVENTS)
    explained = call_here(tmp_path, "explain", f"{topic_name}:0:0", "--json")
    assert json.loads(explained.stdout)["decoded"]["type"] == "track"

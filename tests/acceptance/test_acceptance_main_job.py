"""The main job: a topic, three workflows, `run --until-end`; everything arrives once, in order, and is committed."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest
from acceptance_support import Event, Scene, header_texts, ids_of, make_event
from support.checker import duplicates, missing, unexpected
from support.receiver import FaultReceiver
from support.topics import Broker, read_topic
from support.trace import read_trace

from stream.demo.behaviours import always, when

pytestmark = pytest.mark.acceptance

EVENTS = 50_000
REFUSED = b'"refused":true'


def load(number: int) -> Event:
    """Two of five are off; one in ten is a track, one in twenty an identify, of which a few are refused."""
    integrations: Event = {"All": False} if number % 5 in (3, 4) else {}
    if number % 20 == 1:
        return make_event(number, "identify", integrations=integrations, refused=number % 500 == 1)
    return make_event(number, "track" if number % 10 == 0 else "page", integrations=integrations)


def test_fifty_thousand_events_reach_three_workflows(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """Each workflow gets each event that it wants exactly once, in order per user, and all is committed."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    events = [load(number) for number in range(EVENTS)]
    scene.produce(events)
    scene.configure(
        scene.workflow("everything"),
        scene.workflow("tracks", types=["track"]),
        scene.workflow("picky", types=["identify"]),
    )
    receiver.script("/picky", when(lambda body: REFUSED in body, always(400, b"no such contact"), 200))
    began = time.monotonic()
    with scene.start("--until-end", "--trace", "trace.jsonl") as run:
        assert run.wait(timeout=240) == 0
    requests, took = receiver.count(), time.monotonic() - began
    print(f"{requests} requests in {took:.1f} s: {requests / took:.0f} a second")

    wanted = [event for event in events if event["integrations"] == {}]
    refused = [event for event in wanted if event.get("refused")]
    expected = {
        "/everything": wanted,
        "/tracks": [event for event in wanted if event["type"] == "track"],
        "/picky": [event for event in wanted if event["type"] == "identify" and event not in refused],
    }
    assert len(refused) > 50
    for path, of_path in expected.items():
        arrivals, ids = receiver.arrivals(path), ids_of(of_path)
        assert not missing(ids, arrivals)
        assert not duplicates(arrivals)
        assert not unexpected([*ids, *(ids_of(refused) if path == "/picky" else ())], arrivals)
        assert not scene.order_faults(path)
    assert scene.committed() == scene.ends()
    assert not scene.commit_faults([read_trace(tmp_path / "trace.jsonl")], "everything", "tracks", "picky")
    check_dead_letters(scene, refused)


def check_dead_letters(scene: Scene, refused: list[Event]) -> None:
    """The dead-letter topic holds exactly the refused events, as they were, with the headers of the contract."""
    letters = read_topic(scene.broker.bootstrap, scene.dead_letters)
    by_id = {orjson.loads(letter.value or b"")["messageId"]: letter for letter in letters}
    assert sorted(by_id) == sorted(ids_of(refused))
    assert len(letters) == len(refused)
    sources = {(r.partition, r.offset): r for r in read_topic(scene.broker.bootstrap, scene.topic)}
    for message_id, letter in by_id.items():
        partition, offset = scene.places[message_id]
        source, headers = sources[partition, offset], header_texts(letter.headers)
        failed_at = headers.pop("tray.failed_at")
        assert (letter.partition, letter.key, letter.value) == (partition, source.key, source.value)
        assert failed_at.startswith("20")
        assert failed_at.endswith("Z")
        assert len(headers.pop("tray.topic_id")) == 22  # the id of the topic that the event was on
        assert headers == {
            "tray.reason": "rejected",
            "tray.detail": "no such contact",
            "tray.group": scene.group,
            "tray.workflow": "picky",
            "tray.status": "400",
            "tray.attempts": "1",
            "tray.topic": scene.topic,
            "tray.partition": str(partition),
            "tray.offset": str(offset),
            "tray.timestamp": str(source.timestamp_ms),
        }

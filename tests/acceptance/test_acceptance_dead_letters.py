"""What cannot be delivered is kept: poison on the topic, letters too large, a dead-letter topic that is missing."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from acceptance_support import Scene, call, call_here, header_texts, make_event
from support.receiver import FaultReceiver
from support.topics import Broker, Given, produce_events, read_topic
from support.waiting import wait_until

from stream.demo.samples import LEGAL, poison_values

pytestmark = pytest.mark.acceptance

REASONS = {
    "empty": "invalid_json",
    "not JSON": "invalid_json",
    "array": "invalid_event",
    "NaN": "invalid_json",
    "invalid UTF-8": "invalid_json",
    "no type": "invalid_event",
    "no user": "invalid_event",
}


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of two partitions, and one workflow."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 2)
    scene.configure(scene.workflow("orders"))
    return scene


def test_poison_is_delivered_or_kept(scene: Scene) -> None:
    """Legal oddities are forwarded byte for byte; the rest are dead letters with a reason, and nothing is lost."""
    values = poison_values()
    given: list[Given] = [(f"key {name}", value, 1, [("origin", name.encode())]) for name, value in values]
    produce_events(scene.broker.bootstrap, scene.topic, given)
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_committed_offset") == len(values), "all is committed")
        metrics = run.metrics()
        assert run.stop() == 0

    legal = [value for name, value in values if name in LEGAL]
    assert sorted(arrival.body for arrival in scene.receiver.arrivals("/orders")) == sorted(filter(None, legal))
    assert metrics.received == metrics.accounted_for == len(values)
    assert metrics.by("tray_events_settled_total", "settlement") == {
        "delivered": len(LEGAL),
        "filtered": 1,
        "dead_lettered": len(REASONS),
    }
    assert metrics.by("tray_events_filtered_total", "reason") == {"tombstone": 1}
    check_letters(scene, {name: value for name, value in values if name in REASONS})


def check_letters(scene: Scene, expected: dict[str, bytes | None]) -> None:
    """One letter for each, as it was, with its reason and a detail that does not quote the value."""
    letters = read_topic(scene.broker.bootstrap, scene.dead_letters)
    found = {}
    for letter in letters:
        headers = header_texts(letter.headers)
        name = headers["origin"]
        found[name] = letter.value
        assert (letter.key, letter.partition) == (f"key {name}".encode(), 1)
        assert headers["tray.reason"] == REASONS[name]
        assert headers["tray.workflow"] == ""
        assert headers["tray.group"] == scene.group
        assert headers["tray.detail"]
        assert "user-1" not in headers["tray.detail"]
    assert found == expected
    assert len(letters) == len(expected)


def test_a_letter_too_large_goes_without_its_value(scene: Scene) -> None:
    """The dead-letter topic takes small records only: the headers are kept, and say that the value is omitted."""
    scene.broker.create_topic(scene.dead_letters, 2, {"max.message.bytes": "2000"})
    scene.receiver.script("/orders", 400)
    scene.produce([make_event(0, large=Random(1).randbytes(5000).hex()), make_event(1)])
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    letters = {
        header_texts(r.headers)["tray.offset"]: r for r in read_topic(scene.broker.bootstrap, scene.dead_letters)
    }
    sources = {str(r.offset): r for r in read_topic(scene.broker.bootstrap, scene.topic)}
    large, small = (f"{scene.places[found][1]}" for found in ("m-0", "m-1"))
    assert letters[large].value is None
    assert letters[large].key == sources[large].key
    shared = header_texts(letters[small].headers)
    omitted = header_texts(letters[large].headers)
    assert omitted.keys() - shared.keys() == {"tray.value"}
    assert omitted["tray.value"] == "omitted"
    assert omitted["tray.reason"] == shared["tray.reason"] == "rejected"
    assert letters[small].value == sources[small].value
    assert scene.committed() == scene.ends()


def test_without_a_dead_letter_topic_it_does_not_start(scene: Scene) -> None:
    """`dead_letter.create = false`: run and check refuse, with the command that creates it."""
    scene.configure(scene.workflow("orders"), dead_letter={"create": False})
    for ended in (call(scene.directory, "run"), call_here(scene.directory, "check")):
        assert ended.returncode == 1
        told = " ".join((ended.stdout + ended.stderr).split())
        assert "kafka-topics.sh --bootstrap-server" in told
        assert f"--create --topic {scene.dead_letters} --partitions 2 --config cleanup.policy=delete" in told
    assert scene.receiver.count() == 0

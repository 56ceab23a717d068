"""`explain` says first what became of an event, and finds it by the ids that support has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from acceptance_support import Event, Program, Scene, call_here, make_event
from support.receiver import FaultReceiver
from support.topics import Broker, Given, produce_events
from support.waiting import wait_until

from stream.demo.behaviours import when

pytestmark = pytest.mark.acceptance


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """One partition; `orders` takes track events and refuses two kinds, `strict` holds what it refuses."""
    apache_kafka.create_topic(topic_name, 1)
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(
        scene.workflow("orders", types=["track"]),
        scene.workflow("strict", on_failure="hold"),
        retry={"initial": "100ms", "max": "200ms"},
    )
    receiver.script("/orders", when(lambda body: b'"Refused"' in body, 422))
    receiver.script("/strict", when(lambda body: b'"Held"' in body, 400))
    return scene


def place_of(scene: Scene, event: Event) -> str:
    """topic:partition:offset."""
    partition, offset = scene.places[event["messageId"]]
    return f"{scene.topic}:{partition}:{offset}"


def became(scene: Scene, run: Program | None, *what: str) -> dict[str, tuple[str, str]]:
    """State and words by workflow."""
    url = ("--url", f"127.0.0.1:{run.port}") if run else ()
    done = call_here(scene.directory, "explain", *what, *url, "--json")
    assert done.returncode == 0, done.stderr
    return {one["workflow"]: (one["state"], one["said"]) for one in json.loads(done.stdout)["outcomes"]}


def test_it_says_first_what_became_of_an_event(scene: Scene) -> None:
    """Delivered, filtered, a dead letter, held, waiting, not read; with the processor's word where it answers."""
    held, delivered, page, refused = events = [
        make_event(1, event="Held"),
        make_event(2),
        make_event(3, "page"),
        make_event(4, event="Refused"),
    ]
    scene.produce(events)
    before = became(scene, None, place_of(scene, delivered))
    assert {state for state, _ in before.values()} == {"not_read"}
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_held", workflow="strict") == 1, "one is held")
        wait_until(lambda: run.metrics().total("tray_dead_letters_total", workflow="orders") == 1, "a dead letter")
        wait_until(lambda: became(scene, run, place_of(scene, page))["strict"][0] == "delivered", "the map is there")
        found = became(scene, run, place_of(scene, held))
        assert found["orders"][0] == "delivered"
        assert re.fullmatch(r"held since 20\S+Z, answer 400, \d+ attempts?", found["strict"][1])
        assert became(scene, run, place_of(scene, page))["orders"] == (
            "filtered",
            'filtered (type): the type "page" is not in types',
        )
        state, said = became(scene, run, place_of(scene, refused))["orders"]
        assert state == "dead_letter"
        assert re.fullmatch(rf"dead letter 422, rejected, since 20\S+Z, at {scene.dead_letters}:0:\d+", said)
        text = call_here(scene.directory, "explain", place_of(scene, held), "--url", f"127.0.0.1:{run.port}").stdout
        assert text.startswith("orders: delivered")
        assert "strict: held since 20" in text.splitlines()[1]
        away = call_here(scene.directory, "explain", place_of(scene, held)).stdout
        assert "What is held, and what is read, is not known: http.listen takes any free port; --url" in away
        assert run.stop() == 0


def test_it_finds_an_event_by_its_ids(scene: Scene) -> None:
    """One is explained, several are listed; none is exit 1 and says how to look further back; junk is found, too."""
    scene.produce([make_event(n, users=3) for n in range(30)])
    wanted = make_event(7, users=3)
    one = call_here(scene.directory, "explain", "--message-id", "m-7", "--json")
    assert json.loads(one.stdout)["place"]["offset"] == scene.places["m-7"][1]
    several = json.loads(call_here(scene.directory, "explain", "--user", wanted["userId"], "--json").stdout)
    assert len(several["found"]) == 10
    assert {one["event"] for one in several["found"]} == {"Order Completed"}
    both = call_here(scene.directory, "explain", "--user", wanted["userId"], "--message-id", "m-7", "--json")
    assert json.loads(both.stdout)["place"]["offset"] == scene.places["m-7"][1]
    listed = call_here(scene.directory, "explain", "--user", wanted["userId"])
    assert place_of(scene, wanted) in listed.stdout
    assert wanted["userId"] not in listed.stdout
    assert "10 events. To explain one: tray-stream explain PLACE" in listed.stderr
    none = call_here(scene.directory, "explain", "--message-id", "m-70", "--from", "5")
    assert (none.returncode, none.stderr) == (1, "Error: No such event among the 25 records of the range.\n")
    junk: list[Given] = [(None, b'{"messageId":"caf\\u00e9-1","userId":1', 0, None)]
    junk += [(None, b'{"type":"track","event":"E","userId":"u","messageId":"caf\\u00e9-2"}', 0, None)]
    produce_events(scene.broker.bootstrap, scene.topic, junk)
    escaped = call_here(scene.directory, "explain", "--message-id", "caf\u00e9-2", "--json")
    assert json.loads(escaped.stdout)["place"]["offset"] == 31
    broken = call_here(scene.directory, "explain", "--user", "1", "--from", "30", "--json")
    assert json.loads(broken.stdout)["decoded"]["verdict"] == "invalid"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--message-id", "m", "--offset", "1"), "--message-id, --user: search for an event; another one is named."),
        (("--from", "P1D"), "--from, --until: are of a search."),
        (("t:0:1", "--offset", "1"), "t:0:1: is a place, and there is another one."),
    ],
)
def test_events_named_in_two_ways(scene: Scene, arguments: tuple[str, ...], told: str) -> None:
    """Exit 2, before Kafka is asked."""
    done = call_here(scene.directory, "explain", *arguments)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr

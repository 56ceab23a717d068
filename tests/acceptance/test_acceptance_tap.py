"""`tray-stream tap`: what passes on the topics and who would receive it, without touching the group."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import WAIT_S, Event, Program, Scene, call_here, make_event
from assertions import every
from confluent_kafka.admin import AdminClient, NewPartitions
from support.receiver import FaultReceiver
from support.topics import Broker

from stream.demo.topics import create_topic, produce_events

pytestmark = pytest.mark.acceptance

PERSON = "person-77"


@pytest.fixture
def scene(apache_kafka: Broker, topic_name: str, receiver: FaultReceiver, tmp_path: Path) -> Scene:
    """A topic with two partitions, and two workflows of which one is paused."""
    create_topic(apache_kafka.bootstrap, topic_name, 2)
    found = Scene(apache_kafka, topic_name, receiver, tmp_path)
    orders = found.workflow("orders", types=["track"], events=["Order *"])
    found.configure(orders, found.workflow("crm", paused=True, ordering="none"))
    return found


def put(scene: Scene, *values: object) -> None:
    """Values on partition 0, in their order."""
    texts = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    produce_events(scene.broker.bootstrap, scene.topic, [("k", text, 0, None) for text in texts])


def events() -> list[Event]:
    """One of several kinds each."""
    return [
        make_event(0, event="Order Paid", userId=PERSON, properties={"total": 120}),
        make_event(1, event="Sign Up", userId=PERSON, properties={"total": 5}),
        make_event(2, "identify", userId="u2"),
        make_event(3, event="Order Paid", userId="u3", properties={"total": 7}),
    ]


def tapped(scene: Scene, *words: str) -> list[Any]:
    """What `tap --json` prints, from the beginning of the topic on."""
    done = call_here(scene.directory, "tap", "--from", "earliest", "--json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def names(found: Iterable[Any]) -> list[str]:
    """Places by their offsets."""
    return [one["place"].rpartition(":")[2] for one in found]


def test_each_event_is_judged_for_each_workflow(scene: Scene) -> None:
    """When, where, type, name, and who would receive it with the rule that decided; nothing personal."""
    put(scene, *events(), b"not json")
    done = call_here(scene.directory, "tap", "--from", "earliest", "--limit", "5")
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    lines = done.stdout.splitlines()
    assert f'{scene.topic}:0:0 track "Order Paid"' in lines[0]
    assert "orders goes     lane: userId #" in lines[1]
    assert "crm    paused   lane: none" in lines[2]
    assert 'orders no       event: the name "Sign Up" matches no pattern' in lines[4]
    assert 'workflow[0].events = ["Order *"]' in lines[4]
    assert 'orders no       type: the type "identify" is not in types' in lines[7]
    assert "invalid_json" in lines[12]
    assert "dead letter" in lines[12]
    assert "5 of 5 records shown." in done.stderr
    assert PERSON not in done.stdout


def test_json_has_a_line_for_each(scene: Scene) -> None:
    """A lane's tag is the same for the events of one user, and tells nothing of the user."""
    put(scene, *events())
    first, second, third, fourth = tapped(scene, "--limit", "4")
    assert first["schema_version"] == 1
    assert [one["goes"] for one in first["workflows"]] == [True, True]
    assert [one["paused"] for one in first["workflows"]] == [False, True]
    assert (second["workflows"][0]["goes"], second["workflows"][0]["rule"]) == (False, "event")
    assert third["type"] == "identify"
    tags = [one["workflows"][0]["lane"] for one in (first, fourth)]
    assert tags[0]["tag"] != tags[1]["tag"]
    assert [tag["name"] for tag in tags] == [None, None]
    assert first["body"] is None
    (shown,) = tapped(scene, "--limit", "1", "--body")
    assert json.loads(shown["body"])["userId"] == PERSON


@pytest.mark.parametrize(
    ("words", "offsets"),
    [
        (["--type", "Identify"], ["2"]),
        (["--event", "Order *"], ["0", "3"]),
        (["--user", PERSON], ["0", "1"]),
        (["--where", "properties.total >= 100"], ["0"]),
        (["--where", "properties.total < 100", "--event", "Order *"], ["3"]),
        (["--from", "2"], ["2", "3"]),
        (["--from", "-1"], ["3"]),
        (["--topic", "{topic}:0", "--type", "identify"], ["2"]),
    ],
)
def test_events_are_chosen(scene: Scene, words: list[str], offsets: list[str]) -> None:
    """By type, name, user, statement and place; records that are no events are left out."""
    put(scene, *events()[:3], events()[3])
    asked = [word.format(topic=scene.topic) for word in words]
    assert names(tapped(scene, *asked, "--limit", str(len(offsets)))) == offsets


def test_one_workflow_alone(scene: Scene) -> None:
    """Its place in the file is that of the settings."""
    put(scene, *events()[:1])
    (found,) = tapped(scene, "--workflow", "crm", "--limit", "1")
    assert [one["workflow"] for one in found["workflows"]] == ["crm"]
    assert found["workflows"][0]["setting"]["path"] == "workflow[1].events"


def test_it_follows_without_touching_the_group(scene: Scene) -> None:
    """From now on, until Ctrl-C; nothing is committed and no member is seen."""
    put(scene, *events())
    with Program(scene.directory, "tap") as program:
        program.line("Following")
        put(scene, events()[0])
        program.line(f"{scene.topic}:0:4 track")
        assert set(scene.committed().values()) == {None}
        state = call_here(scene.directory, "offsets", "show", "--json").stdout
        assert every(group["members"] == [] for group in json.loads(state)["groups"])
        program.signal(signal.SIGINT)
        assert program.wait() == 0
        assert f"{scene.topic}:0:0 " not in program.log  # what was there before


def test_partitions_that_are_added_are_followed(scene: Scene) -> None:
    """From their beginning on."""
    with Program(scene.directory, "tap", "--limit", "1") as program:
        program.line("Following")
        admin = AdminClient({"bootstrap.servers": scene.broker.bootstrap})
        admin.create_partitions([NewPartitions(scene.topic, 3)])[scene.topic].result(WAIT_S)
        produce_events(scene.broker.bootstrap, scene.topic, [("k", json.dumps(events()[0]).encode(), 2, None)])
        program.line(f"{scene.topic}:2:0 track")
        assert program.wait() == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workflow", "order"], "Did you mean orders?"),
        (["--where", "properties.total >"], "^"),
        (["--from", "yesterday"], "--from"),
        (["--topic", "nowhere"], "nowhere"),
        (["--topic", "{topic}:9"], "has no partition 9"),
    ],
)
def test_what_makes_no_sense_is_refused(scene: Scene, words: list[str], said: str) -> None:
    """With a sentence, before anything is read."""
    done = call_here(scene.directory, "tap", *(word.format(topic=scene.topic) for word in words))
    assert done.returncode in (1, 2)
    assert said in done.stderr


def test_secrets_are_not_needed(scene: Scene) -> None:
    """It sends nothing."""
    path = scene.directory / "stream.toml"
    path.write_text(path.read_text().replace(scene.receiver.url("/orders"), "${env:NOWHERE}"))
    put(scene, *events()[:1])
    assert len(tapped(scene, "--limit", "1")) == 1


def test_foreign_text_is_harmless(scene: Scene) -> None:
    """A name speaks neither to the terminal nor as markup."""
    put(scene, make_event(0, event="\x1b[2J[bold]\u202e\nx" + "y" * 500))
    shown = call_here(scene.directory, "tap", "--from", "earliest", "--limit", "1", "--body").stdout
    assert "[bold]" in shown
    assert every(char.isprintable() or char == "\n" for char in shown)

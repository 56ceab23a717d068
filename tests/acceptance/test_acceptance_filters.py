"""Statements and filters of a workflow, by every command that sends or shows events: each does what `run` does."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
from acceptance_support import Event, call_here, make_event
from assertions import every, filled
from letters_support import LetterScene
from support.receiver import FaultReceiver
from support.topics import Broker, read_topic
from support.waiting import wait_until

from stream.fql.transform import share_of

pytestmark = pytest.mark.acceptance

WHERE = "properties.total >= 10"
FILTERS: list[Event] = [
    {"action": "sample", "percent": 60, "path": "userId"},
    {"action": "drop_properties", "fields": ["traits.email"]},
    {"action": "hash_properties", "fields": ["userId"]},
]


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> LetterScene:
    """One workflow that wants a part of the events, and of these a part of their fields."""
    found = LetterScene(apache_kafka, topic_name, receiver, tmp_path)
    found.create()
    configure(found)
    return found


def configure(scene: LetterScene, where: str = WHERE) -> None:
    """Write the settings."""
    scene.configure(scene.workflow("orders", where=where, filters=FILTERS), dead_letter={"max_consecutive": 100_000})


def events() -> list[Event]:
    """Half of them with a total that is asked for."""
    return [
        make_event(number, traits={"email": "ann@example.com", "plan": "free"}, properties={"total": number % 20})
        for number in range(60)
    ]


def wanted() -> dict[str, Event]:
    """What is to be sent of these events, by message id."""
    found: dict[str, Event] = {}
    for event in events():
        if event["properties"]["total"] >= 10 and share_of(event["userId"]) < 0.6:
            hashed = hashlib.sha256(event["userId"].encode()).hexdigest()
            found[event["messageId"]] = {**event, "userId": hashed, "traits": {"plan": "free"}}
    return found


def bodies(scene: LetterScene, since: int = 0) -> dict[str, Event]:
    """What arrived, by idempotency key."""
    arrivals = scene.receiver.arrivals("/orders")[since:]
    return {arrival.headers["idempotency-key"]: orjson.loads(arrival.body) for arrival in arrivals}


def test_redrive_and_replay_send_what_run_sends(scene: LetterScene) -> None:
    """The same events and the same bodies; a letter that is not wanted by now stays."""
    scene.produce(events())
    scene.receiver.script("/orders", 400)
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    should = wanted()
    assert 10 < len(should) < 30
    assert bodies(scene) == should
    letters = [orjson.loads(record.value or b"") for record in read_topic(scene.broker.bootstrap, scene.dead_letters)]
    assert every(letter["traits"]["email"] == "ann@example.com" for letter in letters)

    scene.receiver.heal("/orders")
    since = scene.receiver.count("/orders")
    configure(scene, where=f"{WHERE} and properties.total != 15")
    unwanted = {key for key, event in should.items() if event["properties"]["total"] == 15}
    done = scene.redrive()
    assert bodies(scene, since) == {key: event for key, event in should.items() if key not in unwanted}
    assert (done["redriven"], done["left"]) == (len(should) - len(unwanted), len(unwanted))

    since = scene.receiver.count("/orders")
    configure(scene)
    arguments = ("--from", "earliest", "--workflow", "orders", "--json")
    counted = call_here(scene.directory, "replay", *arguments)
    assert json.loads(counted.stdout)["workflows"]["orders"]["total"] == len(should)
    replayed = call_here(scene.directory, "replay", *arguments, "--execute")
    assert replayed.returncode == 0, replayed.stderr
    assert bodies(scene, since) == should


def test_tap_and_send_judge_as_run_does(scene: LetterScene) -> None:
    """With the rule that decided, and the body as it is sent."""
    scene.produce(events())
    done = call_here(scene.directory, "tap", "--from", "earliest", "--json", "--limit", "60", "--body")
    shown: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    verdicts = {json.loads(each["body"])["messageId"]: each["workflows"][0] for each in filled(shown)}
    assert {key for key, verdict in verdicts.items() if verdict["goes"]} == wanted().keys()
    assert {verdict["rule"] for verdict in verdicts.values() if not verdict["goes"]} == {"where", "sampled"}

    for event in filled(events()[:20]):
        since = scene.receiver.count("/orders")
        (scene.directory / "event.json").write_bytes(orjson.dumps(event))
        sent = call_here(scene.directory, "send", "--workflow", "orders", str(scene.directory / "event.json"))
        is_wanted = event["messageId"] in wanted()
        assert sent.returncode == (0 if is_wanted else 1), sent.stdout + sent.stderr
        arrived = list(bodies(scene, since).values())
        assert [each["traits"] for each in arrived] == ([{"plan": "free"}] if is_wanted else [])


def test_a_reload_ends_what_waits_and_is_not_wanted(scene: LetterScene) -> None:
    """As filtered, by the statement's reason; what is wanted still waits, and is sent as the new filters leave it."""
    configure(scene, where="properties.total >= 0")
    scene.produce(events())
    scene.receiver.script("/orders", 503)
    sampled = sum(share_of(event["userId"]) >= 0.6 for event in events())
    with scene.start() as program:
        wait_until(lambda: program.metrics().received == 60, "everything is taken")
        configure(scene)
        program.signal(signal.SIGHUP)
        wait_until(lambda: program.metrics().total("tray_config_reloads_total", result="ok") == 1, "reloaded")
        filtered = program.metrics().by("tray_events_filtered_total", "reason")
        assert (filtered["where"], filtered["sampled"]) == (60 - sampled - len(wanted()), sampled)
        scene.receiver.heal("/orders")
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed")
        assert program.stop() == 0
    succeeded = scene.receiver.successes("/orders")
    assert {arrival.headers["idempotency-key"] for arrival in succeeded} == wanted().keys()
    assert every("email" not in orjson.loads(arrival.body)["traits"] for arrival in succeeded)


def test_check_warns_and_explain_shows(scene: LetterScene) -> None:
    """A statement that can never be true; the part that decided, and the body before and after."""
    scene.produce(events())
    places = {key: place for key, place in scene.places.items() if key in wanted()}
    (key, (partition, offset)), *_ = places.items()
    where = ("--topic", scene.topic, "--partition", str(partition), "--offset", str(offset))
    explained = call_here(scene.directory, "explain", *where, "--body")
    assert explained.returncode == 0, explained.stderr
    assert f"{WHERE} is true" in explained.stdout
    assert "drops traits.email" in explained.stdout
    assert "ann@example.com" in explained.stdout
    assert wanted()[key]["userId"] in explained.stdout
    assert "ann@example.com" not in call_here(scene.directory, "explain", *where).stdout

    scene.configure({**scene.workflow("orders"), "types": ["track"], "where": "type = 'page'"})
    checked = call_here(scene.directory, "check", "--offline")
    assert checked.returncode == 0, checked.stderr
    assert "can never be true" in checked.stdout + checked.stderr

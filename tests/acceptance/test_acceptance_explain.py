"""`explain`: why an event did not arrive, as a user asks it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from acceptance_support import Event, Scene, call_here, make_event
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until

from stream.demo.behaviours import when
from stream.explain.place import PlaceReader
from stream.model.records import RecordId
from stream.runtime.policies import kafka_policy
from stream.settings import load_settings

pytestmark = pytest.mark.acceptance

OFFLINE = """
[kafka]
topics = ["segment-events"]
[[workflow]]
name = "orders"
url = "https://hooks.example.com/secret-path"
types = ["track"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A settings file for which nothing needs to run."""
    (tmp_path / "stream.toml").write_text(OFFLINE)
    return tmp_path


def piped(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`explain` with something on standard input."""
    return call_here(folder, "explain", *arguments, given=text)


def test_an_event_from_standard_input(folder: Path) -> None:
    """Text for people, without the URL's path and without the user; `--body` shows it."""
    event = json.dumps({"type": "track", "event": "Order Paid", "userId": "user-77", "messageId": "m-1"})
    done = piped(folder, event)
    assert done.returncode == 0
    assert "workflow orders: would receive it" in done.stdout
    assert 'the type "track" is in types  [workflow[0].types = ["track"]]' in done.stdout
    assert "POST https://hooks.example.com\n" in done.stdout
    assert "idempotency-key: m-1" in done.stdout
    assert "user-77" not in done.stdout
    assert "secret-path" not in done.stdout
    assert "\x1b" not in done.stdout
    assert event in piped(folder, event, "-", "--body").stdout


def test_a_file_of_one_or_several_events(folder: Path) -> None:
    """One event may take several lines; of several one is chosen, and it says how."""
    (folder / "one.json").write_text(json.dumps({"type": "page", "userId": "u"}, indent=2))
    one = call_here(folder, "explain", "one.json", "--json")
    assert one.returncode == 0
    (verdicts,) = json.loads(one.stdout)["workflows"]
    assert (verdicts["workflow"], verdicts["wanted"], verdicts["rules"][-1]["rule"]) == ("orders", False, "type")
    assert verdicts["rules"][-1]["setting"] == {"path": "workflow[0].types", "value": ["track"]}
    (folder / "two.jsonl").write_text('{"type":"track","userId":"u"}\n{"type":"page"}\n')
    both = call_here(folder, "explain", "two.jsonl")
    assert both.returncode == 2
    assert "two.jsonl: holds 2 events, one a line. Choose one: --line 1 to --line 2" in both.stderr
    assert "userId is missing" in call_here(folder, "explain", "two.jsonl", "--line", "2").stdout
    beyond = call_here(folder, "explain", "two.jsonl", "--line", "3")
    assert (beyond.returncode, beyond.stderr) == (2, "Error: --line: two.jsonl has 2 lines.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.json",), "missing.json: cannot be read"),
        (("--offset", "1"), "--partition: is missing."),
        (("event.json", "--offset", "1"), "either in a file or on a topic"),
        (("-",), "standard input: is empty."),
    ],
)
def test_what_cannot_be_explained(folder: Path, arguments: tuple[str, ...], told: str) -> None:
    """Usage errors: what, and how to mend it."""
    done = call_here(folder, "explain", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def explain_place(scene: Scene, event: Event, *more: str) -> subprocess.CompletedProcess[str]:
    """Explain one of the scene's events where it lies."""
    partition, offset = scene.places[event["messageId"]]
    return call_here(scene.directory, "explain", "--partition", str(partition), "--offset", str(offset), *more)


def progress(scene: Scene, event: Event) -> dict[str, str]:
    """How far it has come at each workflow; what the command prints, without the command's start."""
    settings = load_settings(scene.directory / "stream.toml", {}, {}).settings
    place = RecordId(scene.topic, *scene.places[event["messageId"]])
    _, standing = PlaceReader(settings, kafka_policy(settings)).read(place)
    (group,) = standing.groups
    return dict(group.workflows)


def test_why_an_event_did_not_arrive(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """Not read; open while its workflow is down; done beyond the committed offset; passed; a dead letter."""
    apache_kafka.create_topic(topic_name, 1)
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders", types=["track"]), scene.workflow("down", types=["page"]))
    first, down, refused, last = events = [
        make_event(0),
        make_event(1, "page"),
        make_event(2, event="Bad"),
        make_event(3),
    ]
    scene.produce(events)
    assert progress(scene, first) == {"orders": "not_started", "down": "not_started"}

    receiver.script("/down", 503)
    receiver.script("/orders", when(lambda body: b'"Bad"' in body, 400))
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_deliveries_total", outcome="delivered") == 2, "two delivered")
        wait_until(lambda: run.metrics().total("tray_dead_letters_total") == 1, "one dead letter")
        wait_until(lambda: scene.committed() == {0: 1}, "the first is committed")
        wait_until(lambda: progress(scene, last) == {"orders": "done", "down": "done"}, "the map is committed")
        assert progress(scene, first) == {"orders": "passed", "down": "passed"}
        assert progress(scene, down) == {"orders": "done", "down": "open"}
        told = explain_place(scene, down).stdout
        assert f"group           {scene.group}: stable, 1 member" in told
        assert "down: not done with it" in told
        assert "orders: " not in told.split("partition  ")[1]
        assert run.stop() == 0
    standing = json.loads(explain_place(scene, refused, "--json").stdout)["standing"]
    assert [(one["workflow"], one["reason"], one["status"]) for one in standing["letters"]] == [
        ("orders", "rejected", 400)
    ]
    told = explain_place(scene, refused).stdout
    assert "orders: rejected, answer 400, 1 attempt, " in told
    assert "0 members: nobody reads" in told


def test_places_where_nothing_lies(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """The range, the partitions and the nearest topic are named."""
    apache_kafka.create_topic(topic_name, 2)
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    scene.produce([make_event(0)])
    partition, _ = next(iter(scene.places.values()))
    for arguments, told in (
        (
            ("--partition", str(partition), "--offset", "7"),
            f"no offset 7 on {topic_name}:{partition}: it holds 0 to 0.",
        ),
        (("--partition", str(1 - partition), "--offset", "0"), "it holds no record; the next one will be at 0."),
        (("--partition", "5", "--offset", "0"), f"{topic_name} has no partition 5: it has 0 to 1."),
        (("--topic", topic_name[:-1], "--partition", "0", "--offset", "0"), f"Did you mean {topic_name}?"),
    ):
        done = call_here(tmp_path, "explain", *arguments)
        assert done.returncode == 1
        assert told in done.stderr

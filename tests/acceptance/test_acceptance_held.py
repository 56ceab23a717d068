"""Held events listed, and given up by the lines that the list prints, on real Kafka."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest
from acceptance_support import Event, Program, Scene, call_here, make_event
from assertions import every
from support.receiver import FaultReceiver
from support.topics import Broker, Given, produce_events
from support.waiting import wait_until

from stream.demo.behaviours import when

pytestmark = pytest.mark.acceptance

BAD = 6


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """Two workflows, of which one holds what it refuses, and bad events among good ones."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 2)
    receiver.script("/orders", when(lambda body: b'"Bad"' in body, 422))
    scene.produce(make_event(n) for n in range(20))
    scene.produce(make_event(100 + n, event="Bad") for n in range(BAD))
    return scene


def configure(scene: Scene, **more: Event) -> None:
    """`orders` holds; an earlier event of it is given up already."""
    workflows = [scene.workflow("orders", on_failure="hold", give_up=[f"{scene.topic}:0:999"]), scene.workflow("crm")]
    scene.configure(*workflows, retry={"initial": "100ms", "max": "200ms"}, **more)


def held(scene: Scene, run: Program, *more: str) -> subprocess.CompletedProcess[str]:
    """`held list`, asked of this run."""
    return call_here(scene.directory, "held", "list", "--url", f"127.0.0.1:{run.port}", *more)


def bad_places(scene: Scene) -> list[str]:
    """Where the bad events are."""
    places = sorted(scene.places[f"m-{100 + n}"] for n in range(BAD))
    return [f"{scene.topic}:{partition}:{offset}" for partition, offset in places]


@pytest.mark.parametrize("workers", [1, 2])
def test_held_events_are_listed_and_given_up(scene: Scene, workers: int) -> None:
    """Each with place, workflow, since and answer; the line that is printed, pasted and reloaded, ends them all."""
    configure(scene)
    with scene.start("--workers", str(workers)) as run:
        if workers > 1:
            wait_until(lambda: len(run.metrics().by("tray_partitions_assigned", "worker")) == workers, "all have some")
        wait_until(lambda: run.metrics().total("tray_held", workflow="orders") == BAD, "all bad events are held")
        found = json.loads(held(scene, run, "--json").stdout)
        assert (found["schema_version"], found["total"], len(found["held"])) == (1, BAD, BAD)
        assert sorted(one["place"] for one in found["held"]) == sorted(bad_places(scene))
        assert {(one["workflow"], one["answer"], one["reason"]) for one in found["held"]} == {
            ("orders", 422, "rejected")
        }
        assert every(re.fullmatch(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", one["since"]) for one in found["held"])
        table = held(scene, run)
        assert re.search(rf"^{bad_places(scene)[0]} +orders +20\S+Z +422 +rejected", table.stdout, re.MULTILINE)
        assert f"{BAD} held: orders {BAD}." in table.stdout
        assert "user-" not in table.stdout + json.dumps(found)
        assert held(scene, run, "--workflow", "crm").stdout == "Nothing is held.\n"
        wrong = held(scene, run, "--workflow", "order")
        assert (wrong.returncode, "Did you mean orders?" in wrong.stderr) == (2, True)

        line = held(scene, run, "--give-up")
        assert "SIGHUP" in line.stderr
        assert line.stdout.startswith(f'# in [[workflow]] "orders": {BAD} held\ngive_up = [')
        assert tomllib.loads(line.stdout) == {"give_up": [*_with(scene, f"{scene.topic}:0:999")]}
        settings = (scene.directory / "stream.toml").read_text()
        pasted = re.sub(r'^"give_up" = .*$', line.stdout.splitlines()[1], settings, flags=re.MULTILINE)
        (scene.directory / "stream.toml").write_text(pasted)
        run.signal(signal.SIGHUP)
        wait_until(lambda: run.metrics().total("tray_dead_letters_total", reason="given_up") == BAD, "given up")
        wait_until(lambda: held(scene, run).stdout == "Nothing is held.\n", "nothing is held")
        assert run.stop() == 0


def _with(scene: Scene, place: str) -> list[str]:
    """The bad places and one more, in the order of topic, partition and offset."""
    return sorted([*bad_places(scene), place], key=lambda text: [int(part) for part in text.rsplit(":", 2)[1:]])


def test_a_partition_held_by_invalid_records(scene: Scene) -> None:
    """It has no workflow; its line belongs to [validation]; the detail names the field alone."""
    configure(scene, dead_letter={"max_consecutive": 2})
    junk: list[Given] = [(None, b'{"type":"track","userId":"secret-user"}', 0, None)] * 3
    _, _, (partition, offset) = produce_events(scene.broker.bootstrap, scene.topic, junk)
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_held", workflow="") == 1, "the partition is held")
        listed = held(scene, run, "--json").stdout
        (one,) = [one for one in json.loads(listed)["held"] if one["workflow"] is None]
        assert one["place"] == f"{scene.topic}:{partition}:{offset}"
        assert (one["reason"], one["answer"]) == ("invalid_event", None)
        assert "secret-user" not in listed
        lines = held(scene, run, "--give-up").stdout.splitlines()
        assert lines[:2] == ["# in [validation]: 1 held", f'give_up = ["{scene.topic}:{partition}:{offset}"]']
        assert run.stop() == 0


def test_nobody_there(tmp_path: Path) -> None:
    """Exit 1 with one line; secrets need not be known."""
    settings = '[http]\nlisten = "0.0.0.0:1"\n[kafka]\ntopics = ["t"]\n[[workflow]]\nurl = "${env:NOT_SET_HERE}"\n'
    (tmp_path / "stream.toml").write_text(settings)
    looked = call_here(tmp_path, "held", "list")
    assert (looked.returncode, looked.stdout) == (1, "")
    assert looked.stderr == (
        "Error: http://127.0.0.1:1/held.json does not say what is held: connection refused. "
        "Is tray-stream running there? --url names another.\n"
    )

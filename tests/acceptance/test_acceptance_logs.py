"""The log for people and for machines, as the command line asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acceptance_support import Scene, call, make_event
from assertions import every
from support.receiver import FaultReceiver
from support.topics import Broker

pytestmark = pytest.mark.acceptance


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A workflow that rejects everything; the topic is not there yet."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    receiver.script("/orders", 400)
    return scene


def test_every_line_is_an_object_for_machines(scene: Scene) -> None:
    """From the first line to the error that ends it, whose exit code it names."""
    ended = call(scene.directory, "run", "--until-end", "--log-format", "json")
    assert (ended.returncode, ended.stdout) == (1, "")
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["msg"] for line in lines][:1] == ["Starting."]
    assert every(line.keys() >= {"time", "level", "msg"} for line in lines)
    assert (lines[-1]["level"], lines[-1]["exit_code"]) == ("error", 1)
    assert f"no topic {scene.topic}" in lines[-1]["msg"]


def test_a_burst_of_dead_letters_is_two_lines(scene: Scene) -> None:
    """The first, and the last with the count of those between; news is left out at level warning."""
    scene.broker.create_topic(scene.topic, 1)
    scene.produce(make_event(n) for n in range(30))
    ended = call(scene.directory, "run", "--until-end", "--log-level", "warning")
    assert ended.returncode == 0
    lines = [line.split(" ", 1)[1] for line in ended.stderr.splitlines()]
    assert every(line.startswith("warning ") for line in lines)
    first, last = [line for line in lines if "An event became a dead letter." in line]
    assert f"group={scene.group} workflow=orders reason=rejected status=400 place={scene.topic}:0:" in first
    assert "suppressed" not in first
    assert last.endswith(" suppressed=28")

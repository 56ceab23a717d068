"""Static members (`group_instance_id`): after a crash the same name comes back."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from acceptance_support import Scene, ids_of, tracks
from support.checker import missing
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until
from test_acceptance_workers import workers_of

from stream.demo.behaviours import slow

pytestmark = [pytest.mark.acceptance, pytest.mark.kafka]

EVENTS = 600
PATH = "/orders"
TAKEN = "Kafka still has a member with this group_instance_id"


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of two partitions with events, and a workflow that takes its time."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 2)
    receiver.script(PATH, slow(0.02))
    scene.produce(tracks(range(EVENTS)))
    return scene


def configure(scene: Scene, protocol: str) -> None:
    """A static member; with KIP-848 the broker decides on sessions."""
    path = scene.configure(scene.workflow("orders"), kafka={"group_protocol": protocol, "group_instance_id": "box"})
    if protocol == "consumer":
        path.write_text(re.sub(r'\[kafka\.consumer_options\]\n(".*\n)*', "", path.read_text()))


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_killed_static_member_comes_back(scene: Scene, protocol: str) -> None:
    """`kill -9`, three times, and started again at once: it waits for its own session where Kafka wants that."""
    configure(scene, protocol)
    logs = []
    for part in range(1, 4):
        with scene.start() as run:
            assert scene.receiver.wait_for_count(PATH, part * 100, 60)
            run.kill()
            logs.append(run.log)
    with scene.start() as last:
        wait_until(lambda: scene.committed() == scene.ends(), "all is committed", timeout=90)
        assert last.stop() == 0
    assert not missing(ids_of(tracks(range(EVENTS))), scene.receiver.arrivals(PATH))
    if protocol == "consumer":
        assert TAKEN in last.log
        assert "group_instance_id=box" in last.log


def test_a_stop_while_it_waits_for_the_session(scene: Scene) -> None:
    """It ends in order, and is not ready before."""
    configure(scene, "consumer")
    with scene.start() as first:
        assert scene.receiver.wait_for_count(PATH, 50, 60)
        with scene.start() as second:
            second.line(TAKEN, timeout=60)
            assert second.get("/readyz")[0] == 503
            assert second.get("/healthz")[0] == 200
            assert second.stop() == 0
        assert first.stop() == 0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_killed_worker_with_a_static_name_comes_back(scene: Scene, protocol: str) -> None:
    """The other worker goes on meanwhile."""
    configure(scene, protocol)
    with scene.start("--workers", "2") as run:
        run.line("Metrics and health are served.")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "both have joined")
        os.kill(workers_of(run)[0], signal.SIGKILL)
        wait_until(lambda: run.metrics().total("tray_worker_restarts_total") == 1, "it is started again")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "both are ready", timeout=90)
        wait_until(lambda: scene.committed() == scene.ends(), "all is committed", timeout=90)
        assert run.metrics().total("tray_worker_restarts_total") == 1
        assert run.stop() == 0
    assert not missing(ids_of(tracks(range(EVENTS))), scene.receiver.arrivals(PATH))
    assert (TAKEN in run.log) == (protocol == "consumer")

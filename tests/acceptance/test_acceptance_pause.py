"""`paused = true` on real Kafka: over a restart and a rebalance nothing is sent, nothing is lost, order is kept."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from acceptance_support import Program, Scene, call_here, ids_of, tracks
from support.checker import duplicates, missing, unexpected
from support.receiver import FaultReceiver
from support.topics import Broker
from support.trace import Trace, merge_traces, read_trace
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

STAGE = 200
MEMBERS = 3


@pytest.fixture
def scene(apache_kafka: Broker, topic_name: str, receiver: FaultReceiver, tmp_path: Path) -> Scene:
    """A topic with four partitions."""
    apache_kafka.create_topic(topic_name, 4)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def configure(scene: Scene, *, paused: bool) -> None:
    """Two workflows in one group, one of which may be paused."""
    scene.configure(scene.workflow("orders", paused=paused), scene.workflow("audit"))


def reload(program: Program, number: int) -> None:
    """Signal, and wait until the file is in force."""
    program.signal(signal.SIGHUP)
    wait_until(lambda: program.metrics().total("tray_config_reloads_total", result="ok") == number, "reloaded")


def delivered_to(trace: Trace, workflow: str) -> int:
    """How many deliveries to that workflow a trace has."""
    return sum(step.event == "delivered" and step.workflow == workflow for step in trace)


def test_a_pause_outlives_a_restart_and_a_rebalance(scene: Scene) -> None:
    """What waits is sent once, in order, when it is resumed; the other workflow gets everything meanwhile, once."""
    events = list(tracks(range(4 * STAGE)))
    traces = [scene.directory / f"{number}.jsonl" for number in range(MEMBERS)]
    configure(scene, paused=False)
    scene.produce(events[:STAGE])
    with scene.start("--trace", traces[0].name) as first:
        assert scene.receiver.wait_for_count("/orders", STAGE)
        wait_until(lambda: scene.committed() == scene.ends(), "the first stage is committed")
        configure(scene, paused=True)
        reload(first, 1)
        assert "paused: nothing is sent to it" in first.line("workflow[0] (orders): paused")
        assert first.metrics().by("tray_paused", "workflow") == {"orders": 1}
        scene.produce(events[STAGE : 2 * STAGE])
        assert scene.receiver.wait_for_count("/audit", 2 * STAGE)
        assert first.stop() == 0
    with scene.start("--trace", traces[1].name) as second:
        scene.produce(events[2 * STAGE : 3 * STAGE])
        assert scene.receiver.wait_for_count("/audit", 3 * STAGE)
        with scene.start("--trace", traces[2].name) as third:
            wait_until(lambda: third.metrics().total("tray_partitions_assigned") > 0, "the third has partitions")
            scene.produce(events[3 * STAGE :])
            assert scene.receiver.wait_for_count("/audit", 4 * STAGE)
            shown = call_here(scene.directory, "offsets", "show").stdout
            assert f"orders: paused by the settings; {3 * STAGE} offsets wait" in shown
            (partition, offset) = scene.places[ids_of(events)[-1]]
            told = call_here(scene.directory, "explain", f"{scene.topic}:{partition}:{offset}").stdout
            assert re.search("^orders: (waiting|not read yet).*; the settings pause the workflow$", told, re.MULTILINE)
            assert len(scene.receiver.arrivals("/orders")) == STAGE
            configure(scene, paused=False)
            reload(second, 1)
            reload(third, 1)
            wait_until(lambda: scene.committed() == scene.ends(), "all is committed")
            assert third.stop() == 0
        assert second.stop() == 0

    for path in ("/orders", "/audit"):
        arrivals = scene.receiver.arrivals(path)
        assert not missing(ids_of(events), arrivals)
        assert not unexpected(ids_of(events), arrivals)
        assert not duplicates(arrivals)
        assert not scene.order_faults(path)
    read = [read_trace(path) for path in traces]
    assert not scene.commit_faults([merge_traces(read)], "orders", "audit")
    assert delivered_to(read[0], "orders") == STAGE


def test_commands_that_send_leave_it_alone(scene: Scene) -> None:
    """A replay and a redrive to it are refused with a way out, before anything is sent."""
    scene.receiver.script("/orders", 422)
    configure(scene, paused=False)
    scene.produce(tracks(range(4)))
    assert call_here(scene.directory, "run", "--until-end").returncode == 0
    before = scene.receiver.count()
    configure(scene, paused=True)
    for words in (["replay", "--from", "earliest"], ["dead-letters", "redrive"]):
        done = call_here(scene.directory, *words, "--execute")
        assert done.returncode == 2
        assert "workflow orders: is paused" in done.stderr
        assert "--workflow" in done.stderr
    assert scene.receiver.count() == before
    done = call_here(scene.directory, "replay", "--from", "earliest", "--workflow", "audit", "--execute")
    assert done.returncode == 0, done.stderr

"""Ends of a run in the middle of the work: killed, told to stop, told twice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from acceptance_support import Program, Scene, ids_of, tracks
from assertions import every
from support.behaviours import OutageBehaviour, hanging
from support.checker import id_of, missing, unexpected, unstable_keys
from support.receiver import FaultReceiver
from support.topics import Broker
from support.trace import read_trace
from support.waiting import wait_until

from stream.demo.behaviours import slow, when

pytestmark = pytest.mark.acceptance

EVENTS = 6000
PATH = "/orders"
AT_ONCE_S = 20.0
"""Less than a drain takes that waits for what hangs."""


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic with events, and a workflow that takes its time."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    scene.configure(scene.workflow("orders"))
    scene.produce(tracks(range(EVENTS)))
    receiver.script(PATH, slow(0.01))
    return scene


def stick(scene: Scene) -> OutageBehaviour:
    """Refuse one event for now, so that its partition cannot be committed beyond it however far the others go."""
    outage = OutageBehaviour()
    scene.receiver.script(PATH, when(lambda body: b'"m-100"' in body, outage, slow(0.01)))
    return outage


def wait_for_the_middle(scene: Scene, run: Program) -> None:
    """Until half of the events arrived, and something is committed."""
    assert scene.receiver.wait_for_count(PATH, EVENTS // 2)
    wait_until(lambda: run.metrics().total("tray_committed_offset") > 0, "something is committed")


def finish(scene: Scene) -> None:
    """Run once more, to the end."""
    with scene.start("--until-end", "--trace", "second.jsonl") as run:
        assert run.wait() == 0


def repeated(scene: Scene) -> set[str]:
    """Events that were delivered more than once."""
    times = Counter(id_of(arrival) for arrival in scene.receiver.successes(PATH))
    return {found for found, number in times.items() if number > 1}


def check_everything_arrived(scene: Scene) -> None:
    """Nothing is missing, nothing is strange, users are in order, and all is committed."""
    ids, arrivals = ids_of(tracks(range(EVENTS))), scene.receiver.arrivals(PATH)
    assert not missing(ids, arrivals)
    assert not unexpected(ids, arrivals)
    assert not unstable_keys(arrivals)
    assert not scene.order_faults(PATH)
    assert scene.committed() == scene.ends()
    traces = [read_trace(scene.directory / name) for name in ("first.jsonl", "second.jsonl")]
    assert not scene.commit_faults(traces, "orders")


def test_a_killed_run_loses_nothing(scene: Scene) -> None:
    """After `kill -9` only events at or above the committed offset come again, under the same key."""
    with scene.start("--trace", "first.jsonl") as run:
        wait_for_the_middle(scene, run)
        run.kill()
    committed = scene.committed()
    assert sum(offset or 0 for offset in committed.values()) < EVENTS
    finish(scene)

    check_everything_arrived(scene)
    again = repeated(scene)
    print(f"{len(again)} events came again")
    places = [scene.places[found] for found in again]
    assert every(offset >= (committed[partition] or 0) for partition, offset in places)


def test_sigterm_drains_and_commits(scene: Scene) -> None:
    """A stop waits for what is in flight and commits; the restart repeats only what lay above the commit."""
    outage = stick(scene)
    with scene.start("--trace", "first.jsonl") as run:
        wait_for_the_middle(scene, run)
        began = time.monotonic()
        assert run.stop() == 0
        print(f"stopped in {time.monotonic() - began:.2f} s")
    committed, sent = scene.committed(), scene.receiver.count(PATH)
    assert sent < EVENTS
    assert every(arrival.status for arrival in scene.receiver.arrivals(PATH))
    outage.heal()
    finish(scene)

    check_everything_arrived(scene)
    first = read_trace(scene.directory / "first.jsonl")
    above = {
        (line.partition, line.offset)
        for line in first
        if line.event == "delivered" and line.offset >= (committed[line.partition] or 0)
    }
    again = {scene.places[found] for found in repeated(scene)}
    print(f"{len(again)} of the {len(above)} events above the commit came again")
    assert above
    assert again <= above
    assert first[-1].event == "stopped"


def test_a_stop_gives_up_a_request_that_hangs(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """SIGTERM ends the run within `drain_timeout` and 10 s, with 0, and the open event is not committed."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name)
    scene.configure(scene.workflow("orders"), kafka={"drain_timeout": "1s"})
    scene.produce(tracks(range(1)))
    receiver.script(PATH, hanging())
    with scene.start() as run:
        assert receiver.wait_for_count(PATH, 1)
        assert run.stop(timeout=AT_ONCE_S) == 0
        assert "received=1 delivered=0 filtered=0 dead_letters=0 avoided=0 open=0 abandoned=1" in run.line("Totals")
        assert "ran_for_s=" in run.line("Stopped.")
    assert scene.committed() == {0: 0}


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_exits_at_once(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path, second: signal.Signals
) -> None:
    """While a hanging workflow keeps the drain waiting, one more signal ends the process with 130."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name)
    scene.configure(scene.workflow("orders"))
    scene.produce(tracks(range(1)))
    receiver.script(PATH, hanging())
    with scene.start() as run:
        assert receiver.wait_for_count(PATH, 1)
        run.signal(signal.SIGTERM)
        run.line("Stopping: draining")
        assert run.is_running
        run.signal(second)
        assert run.wait(timeout=AT_ONCE_S) == 130

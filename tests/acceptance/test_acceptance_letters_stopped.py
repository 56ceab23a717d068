"""Redrives that are killed, stopped, refused or held up: nothing is lost, and nothing delivered is sent again."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import orjson
import pytest
from acceptance_support import Program, ids_of, make_event, tracks
from letters_support import LetterScene
from support.behaviours import OutageBehaviour
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until

from stream.demo.behaviours import slow
from stream.model.events import Reason

pytestmark = pytest.mark.acceptance

IN_FLIGHT = 8


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> LetterScene:
    """Topics that are empty, and a workflow that takes few at a time."""
    scene = LetterScene(apache_kafka, topic_name, receiver, tmp_path)
    scene.create()
    scene.configure(scene.workflow("orders", max_in_flight=IN_FLIGHT))
    return scene


def redriving(scene: LetterScene, *arguments: str) -> Program:
    """A redrive that goes on for a while."""
    return Program(scene.directory, "dead-letters", "redrive", "--execute", *arguments)


def test_killed_in_the_middle_and_run_again(scene: LetterScene) -> None:
    """Twice: everything arrives, and at most what was in flight, or not marked yet, arrives twice."""
    events = list(tracks(range(600)))
    scene.bury(events)
    scene.receiver.script("/orders", slow(0.01))
    for count in (100, 300):
        with redriving(scene) as program:
            assert scene.receiver.wait_for_count("/orders", count)
            program.kill()
    assert 0 < len(scene.open_letters()) < 400
    done = scene.redrive()
    assert done["redriven"] == done["letters"] < 400
    assert set(scene.ids("/orders")) == set(ids_of(events))
    assert scene.receiver.count("/orders") <= 600 + 2 * 2 * IN_FLIGHT
    assert scene.order_faults("/orders") == []
    assert scene.told("list")["open"] == 0


def test_stopped_by_a_signal_and_run_again(scene: LetterScene) -> None:
    """What is in flight is waited for and marked, so that nothing at all is sent twice; exit 1 says that it stopped."""
    events = list(tracks(range(300)))
    scene.bury(events)
    scene.receiver.script("/orders", slow(0.02))
    with redriving(scene) as program:
        assert scene.receiver.wait_for_count("/orders", 50)
        program.signal(signal.SIGTERM)
        assert program.wait() == 1
        assert "Stopped by a signal. What is delivered is marked" in program.log
        assert "not tried" in program.log
    sent = scene.receiver.count("/orders")
    assert len(scene.open_letters()) == 300 - sent
    assert scene.redrive()["redriven"] == 300 - sent
    assert sorted(scene.ids("/orders")) == sorted(ids_of(events))


def test_one_at_a_time(scene: LetterScene) -> None:
    """While one waits for a workflow that is down, a discard is refused, as a second one is; the first one goes on."""
    scene.bury(tracks(range(20)))
    outage = OutageBehaviour()
    scene.receiver.script("/orders", outage)
    with redriving(scene) as program:
        assert scene.receiver.wait_for_count("/orders", 1)
        second = scene.letters("discard", "--execute")
        assert second.returncode == 1
        assert f"Another redrive or discard is running (a member of the group {scene.group}" in second.stderr
        assert scene.letters("redrive").returncode == 0  # looking is always allowed
        scene.receiver.heal("/orders")
        assert program.wait() == 0
    assert len(set(scene.ids("/orders"))) == 20
    assert scene.told("list")["open"] == 0


def test_a_workflow_that_refuses_everything_is_left_alone(scene: LetterScene) -> None:
    """After as many in a row as a run would bury; the rest of the letters is untouched."""
    scene.configure(
        scene.workflow("orders", max_in_flight=IN_FLIGHT), scene.workflow("crm"), dead_letter={"max_consecutive": 30}
    )
    scene.bury(tracks(range(300)))
    scene.bury(tracks(range(300, 310)), "crm")
    scene.receiver.script("/orders", 400)
    ended = scene.letters("redrive", "--execute")
    assert ended.returncode == 1
    assert "Too many letters in a row failed again (dead_letter.max_consecutive): orders." in ended.stderr
    assert 30 <= scene.receiver.count("/orders") <= 30 + 2 * IN_FLIGHT
    letters = scene.open_letters()
    assert len(letters) == 300
    assert sum(letter.copies for letter in letters) == 300 + scene.receiver.count("/orders")
    assert sorted(scene.ids("/crm")) == sorted(f"m-{n}" for n in range(300, 310))


def test_what_one_workflow_has_is_not_sent_to_it_again(scene: LetterScene) -> None:
    """Invalid events that became valid: one workflow takes them, the other is down at the first redrive."""
    scene.configure(
        scene.workflow("orders"),
        scene.workflow("crm"),
        validation={"mode": "off"},
        kafka={"drain_timeout": "1s"},
    )
    values = [orjson.dumps({"messageId": f"odd-{n}"}) for n in range(20)]
    scene.bury(values, None, Reason.INVALID_EVENT, status="")
    scene.receiver.script("/crm", OutageBehaviour())
    with redriving(scene) as program:
        assert scene.receiver.wait_for(lambda: len(scene.receiver.successes("/orders")) == 20)
        wait_until(lambda: _done_by(scene) == {("orders",)}, "each is marked as done by orders")
        program.kill()
    scene.receiver.heal("/crm")
    assert scene.redrive()["redriven"] == 20
    assert scene.receiver.count("/orders") == 20
    assert sorted(scene.ids("/crm")) == sorted(f"odd-{n}" for n in range(20))
    assert scene.open_letters() == []


def _done_by(scene: LetterScene) -> set[tuple[str, ...]]:
    return {tuple(sorted(letter.done_by)) for letter in scene.open_letters()}


def test_beside_a_live_processor(scene: LetterScene) -> None:
    """It writes letters all the while; the redrive takes those that were there at its start, and ends."""
    scene.bury(tracks(range(100)))
    scene.receiver.script("/orders", 400)
    scene.configure(
        scene.workflow("orders", max_in_flight=IN_FLIGHT),
        kafka={"start": "latest"},
        dead_letter={"max_consecutive": 10**6},
    )
    with scene.start() as run:
        run.line("Partitions assigned")
        scene.produce(make_event(n) for n in range(1000, 1100))
        wait_until(lambda: len(scene.open_letters()) == 200, "the processor has written its letters")
        scene.receiver.heal("/orders")
        scene.produce(make_event(n) for n in range(2000, 2100))
        assert scene.redrive()["redriven"] == 200
        wait_until(lambda: len(set(scene.ids("/orders"))) == 300, "all is delivered")
        assert run.stop() == 0
    assert scene.told("list")["open"] == 0


def test_the_rate_is_kept(scene: LetterScene) -> None:
    """Requests a second to each workflow, at most."""
    scene.bury(tracks(range(60)))
    scene.redrive("--rate", "30/s")
    arrivals = scene.receiver.arrivals("/orders")
    assert len(arrivals) == 60
    assert arrivals[-1].at - arrivals[0].at > 1.7
    assert time.monotonic() > arrivals[-1].at

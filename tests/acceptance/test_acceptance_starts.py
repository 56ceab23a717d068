"""Where groups start: per topic and group, whoever comes first, and with members that hear from the broker late."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance_support import Event, Program, Scene, call_here, ids_of, tracks
from slow_members import Case, play_slow_member
from support.behaviours import OutageBehaviour
from support.checker import missing
from support.kafka_proxy import SlowedKafka
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until

from stream.demo.receiver import Arrival

pytestmark = pytest.mark.acceptance

ISOLATED = {"TRAY_ISOLATION": "workflow"}


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic with two partitions."""
    apache_kafka.create_topic(topic_name, 2)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def run(scene: Scene, *arguments: str) -> Program:
    """The program with a group for each workflow."""
    return Program(scene.directory, "run", *arguments, env=ISOLATED)


def got(scene: Scene, name: str) -> list[Arrival]:
    """What a workflow took."""
    return scene.receiver.successes(f"/{name}")


@pytest.mark.parametrize("own", [None, "earliest"])
def test_a_topic_that_appears_between_two_runs_starts_by_the_settings(scene: Scene, own: str | None) -> None:
    """Groups that have been running on another topic are not new on this one: nothing of it is left out."""
    more: Event = {} if own is None else {"start": own}
    names = ("orders", "sessions")
    scene.configure(*(scene.workflow(name, **more) for name in names), kafka={"topics": [f"^{scene.topic}"]})
    scene.produce(tracks(range(20)))
    with run(scene, "--until-end") as program:
        assert program.wait() == 0
    later = Scene(scene.broker, f"{scene.topic}-later", scene.receiver, scene.directory)
    scene.broker.create_topic(later.topic, 2)
    events = list(tracks(range(20, 40)))
    later.produce(events)
    with run(scene, "--until-end") as program:
        assert program.wait() == 0
    assert not [one for name in names for one in missing(ids_of(events), got(scene, name))]


def test_processes_of_a_deployment_may_start_one_after_the_other(scene: Scene) -> None:
    """One process per workflow: the start of the first, which delivers nothing yet, does not make the second new."""
    scene.configure(scene.workflow("orders"), scene.workflow("sessions"))
    scene.receiver.script("/orders", OutageBehaviour())
    events = list(tracks(range(40)))
    scene.produce(events)
    with run(scene, "--only", "orders") as first:
        assert scene.receiver.wait_for_count("/orders", 1)
        with run(scene, "--only", "sessions") as second:
            wait_until(lambda: len(got(scene, "sessions")) == 40, "the second has everything")
            assert second.stop() == 0
        assert first.stop() == 0
    assert not missing(ids_of(events), got(scene, "sessions"))


def test_a_late_process_of_a_first_start_leaves_nothing_out(scene: Scene) -> None:
    """Whatever the first one has committed, also after a restart and a reset: both were configured from the start."""
    scene.configure(scene.workflow("orders"), scene.workflow("sessions"))
    events = list(tracks(range(40)))
    for part in (events[:20], events[20:]):
        scene.produce(part)
        with run(scene, "--only", "orders", "--until-end") as program:
            assert program.wait() == 0
    path = scene.directory / "stream.toml"
    path.write_text('isolation = "workflow"\n' + path.read_text())
    reset = call_here(scene.directory, "offsets", "reset", "--workflow", "orders", "--to-latest", "--execute")
    assert reset.returncode == 0, reset.stderr
    assert "starts at earliest" in " ".join(call_here(scene.directory, "check").stdout.split())
    with run(scene, "--until-end") as program:
        assert program.wait() == 0
    assert len(got(scene, "orders")) == 40
    assert not missing(ids_of(events), got(scene, "sessions"))


def test_a_workflow_that_is_new_starts_at_latest_unless_its_own_start_says_otherwise(scene: Scene) -> None:
    """`check` tells in advance; the line at the start says why, and which setting changes it."""
    scene.configure(scene.workflow("orders"))
    scene.produce(tracks(range(20)))
    with run(scene, "--until-end") as program:
        assert program.wait() == 0
    fresh = scene.workflow("fresh"), scene.workflow("thorough", start="earliest")
    path = scene.configure(scene.workflow("orders"), *fresh)
    path.write_text('isolation = "workflow"\n' + path.read_text())
    told = call_here(scene.directory, "check").stdout
    assert f"starts at latest, as a new workflow beside {scene.group}.orders" in " ".join(told.split())
    with run(scene) as program:
        line = program.line("a new workflow: ")
        assert f"{scene.group}.orders" in line
        assert 'start = "earliest"' in line.replace("\\", "")
        wait_until(lambda: len(got(scene, "thorough")) == 20, "the thorough one has everything")
        scene.produce(tracks(range(20, 25)))
        wait_until(lambda: len(got(scene, "fresh")) == 5, "the fresh one has what came later")
        wait_until(
            lambda: [len(got(scene, name)) for name in ("orders", "thorough")] == [25, 25], "all have everything"
        )
        assert program.stop() == 0


@pytest.mark.parametrize(
    "case",
    [
        Case("ListOffsets", "latest", "shared", "classic"),
        Case("OffsetFetch", "earliest", "workflow", "consumer"),
        Case("OffsetCommit", "latest", "workflow", "classic"),
        Case("ListOffsets", "earliest", "shared", "consumer"),
    ],
    ids=str,
)
def test_a_member_that_hears_from_the_broker_late_loses_and_repeats_nothing(
    slowed_kafka: SlowedKafka, receiver: FaultReceiver, topic_name: str, tmp_path: Path, case: Case
) -> None:
    """Commits as Kafka stored them, traces and deliveries agree; `every_case` has all combinations."""
    assert play_slow_member(Scene(slowed_kafka, topic_name, receiver, tmp_path), slowed_kafka.proxy, case) == []

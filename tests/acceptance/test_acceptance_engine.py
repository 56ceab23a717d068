"""The delivery engine on real Kafka: sick workflows beside healthy ones, restarts that repeat nothing, both layouts."""

from __future__ import annotations

import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from acceptance_support import Program, Scene, call, call_here, ids_of, make_event, tracks
from support.behaviours import OutageBehaviour, retry_after
from support.checker import duplicates, id_of, missing
from support.receiver import FaultReceiver
from support.topics import committed_offsets, create_topic
from support.trace import read_trace
from support.waiting import wait_until

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.behaviours import Behaviour, flaky, slow, when
from stream.demo.receiver import Arrival

HEALTHY = [f"well-{n}" for n in range(6)]
ISOLATED = {"TRAY_ISOLATION": "workflow"}


@pytest.fixture
def scene(apache_kafka: ApacheKafka, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic with four partitions."""
    create_topic(apache_kafka.bootstrap, topic_name, 4)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def got(scene: Scene, name: str) -> list[Arrival]:
    """What a workflow took."""
    return scene.receiver.successes(f"/{name}")


def commits_are_steady(program: Program) -> bool:
    """Whether no commit is made over several commit intervals, since there is nothing new to say."""

    def commits() -> float:
        return program.metrics().total("tray_commits_total", result="ok")

    before, until = commits(), time.monotonic() + 1.0
    while time.monotonic() < until:
        if commits() != before:
            return False
    return before > 0


def test_sick_workflows_do_not_hold_up_the_healthy_ones(scene: Scene) -> None:
    """With a group for each workflow, six healthy ones get everything while four others are sick in four ways."""
    sick: dict[str, Behaviour] = {
        "dead": OutageBehaviour(),
        "slow": slow(0.5),
        "throttling": retry_after(2),
        "flapping": flaky(3),
    }
    for name, behaviour in sick.items():
        scene.receiver.script(f"/{name}", behaviour)
    scene.configure(*(scene.workflow(name) for name in [*HEALTHY, *sick]))
    scene.produce(tracks(range(1500)))
    with Program(scene.directory, "run", env=ISOLATED) as program:
        wait_until(lambda: all(len(got(scene, name)) >= 1500 for name in HEALTHY), "healthy workflows are done")
        assert len(got(scene, "dead")) == 0
        wait_until(lambda: program.metrics().total("tray_gate_open", workflow="dead") == 0, "the gate is seen closed")
        for name in ("dead", "slow", "throttling"):
            scene.receiver.script(f"/{name}", 200)
        wait_until(lambda: all(len(got(scene, name)) >= 1500 for name in sick), "sick workflows are done", 120)
        assert program.stop() == 0
    for name in [*HEALTHY, *sick]:
        assert missing(ids_of(tracks(range(1500))), got(scene, name)) == []
        assert duplicates(got(scene, name)) == []
        assert scene.order_faults(f"/{name}") == []
        assert committed_offsets(scene.broker.bootstrap, f"{scene.group}.{name}", scene.topic) == scene.ends()


def test_a_shared_group_goes_on_until_the_open_limit(scene: Scene) -> None:
    """With one group the others go on past a dead workflow until the open events are at the limit; then all arrives."""
    outage = OutageBehaviour()
    scene.receiver.script("/dead", outage)
    limits = {"max_open_events": 400}
    scene.configure(scene.workflow("well"), scene.workflow("dead"), limits=limits)
    scene.produce(tracks(range(3000)))
    with scene.start() as program:
        wait_until(lambda: program.metrics().total("tray_partitions_paused") == 4, "intake has stopped")
        wait_until(lambda: len(got(scene, "well")) >= 300, "the healthy one goes on")
        assert len(got(scene, "well")) < 3000
        assert program.metrics().total("tray_open_events") < 400 + 4 * 1000
        outage.heal()
        wait_until(lambda: all(len(got(scene, name)) >= 3000 for name in ("well", "dead")), "all arrived", 120)
        assert program.stop() == 0
    for name in ("well", "dead"):
        assert missing(ids_of(tracks(range(3000))), got(scene, name)) == []
        assert duplicates(got(scene, name)) == []
        assert scene.order_faults(f"/{name}") == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_only_the_stuck_event_is_sent_again_after_a_restart(scene: Scene, how: signal.Signals) -> None:
    """One event never succeeds while all later ones are delivered; after the next start only that one is sent."""
    scene.receiver.script("/orders", when(lambda body: b'"m-0"' in body, 503))
    scene.configure(scene.workflow("orders"))
    scene.produce(make_event(n, users=1_000_003) for n in range(5000))
    with scene.start("--trace", "first.jsonl") as program:
        wait_until(lambda: len(got(scene, "orders")) == 4999, "all but one are delivered")
        partition, offset = scene.places["m-0"]
        wait_until(lambda: [c for p, c in scene.committed().items() if p != partition] != [None] * 3, "commits")
        wait_until(partial(commits_are_steady, program), "the last map is stored")
        program.signal(how)
        program.wait()
    assert scene.committed()[partition] == offset
    before = scene.receiver.count("/orders")
    scene.receiver.script("/orders", 200)
    with scene.start("--until-end", "--trace", "second.jsonl") as program:
        assert program.wait() == 0
    assert [id_of(arrival) for arrival in scene.receiver.arrivals("/orders")[before:]] == ["m-0"]
    assert scene.committed() == scene.ends()
    traces = [read_trace(scene.directory / name) for name in ("first.jsonl", "second.jsonl")]
    assert scene.commit_faults(traces[:1], "orders") == []


def test_two_rebalances_with_slow_requests_repeat_nothing(scene: Scene) -> None:
    """Members join and leave while every request takes a second: revokes drain in time, so nothing is sent twice."""
    scene.receiver.script("/orders", slow(1.0))
    scene.configure(scene.workflow("orders", max_in_flight=200, concurrency=200))
    scene.produce(make_event(n, users=100_000) for n in range(3000))
    with scene.start() as first:
        wait_until(lambda: scene.receiver.count("/orders") > 200, "the first member delivers")
        with scene.start() as second:
            second.line("Partitions assigned.")
            wait_until(lambda: "Partitions are drained." in first.log, "the first member gives partitions back")
            wait_until(lambda: scene.receiver.count("/orders") > 1200, "both deliver")
            assert second.stop() == 0
        wait_until(lambda: len(got(scene, "orders")) >= 3000, "all arrived", 120)
        assert first.stop() == 0
    assert missing(ids_of(make_event(n, users=100_000) for n in range(3000)), got(scene, "orders")) == []
    assert duplicates(got(scene, "orders")) == []


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_both_group_protocols(scene: Scene, protocol: str) -> None:
    """A member joins and one leaves under either protocol: nothing missing, nothing twice, order kept."""
    kafka = {"group_protocol": protocol}
    scene.configure(scene.workflow("orders"), kafka=kafka)
    if protocol == "consumer":
        text = (scene.directory / "stream.toml").read_text()
        lines = [line for line in text.splitlines() if "session.timeout" not in line and "heartbeat" not in line]
        (scene.directory / "stream.toml").write_text("\n".join(lines))
    scene.produce(tracks(range(2000)))
    with scene.start() as first, scene.start() as second:
        second.line("Partitions assigned.")
        wait_until(lambda: len(got(scene, "orders")) > 1000, "half arrived")
        assert first.stop() == 0
        wait_until(lambda: len(got(scene, "orders")) >= 2000, "all arrived", 120)
        assert second.stop() == 0
    assert missing(ids_of(tracks(range(2000))), got(scene, "orders")) == []
    assert duplicates(got(scene, "orders")) == []
    assert scene.order_faults("/orders") == []


def test_migrating_between_the_layouts(scene: Scene) -> None:
    """Switching the layout is refused until the offsets were carried over; then nothing is sent again, both ways."""
    scene.receiver.script("/audit", when(lambda body: b'"m-3"' in body, 503))
    scene.configure(scene.workflow("orders"), scene.workflow("audit"))
    scene.produce(tracks(range(400)))
    with scene.start() as program:
        wait_until(lambda: len(got(scene, "orders")) == 400 and len(got(scene, "audit")) == 399, "all but one")
        assert program.stop() == 0
    refused = call(scene.directory, "run", "--until-end", env=ISOLATED)
    assert refused.returncode == 2
    assert "tray-stream offsets migrate --to workflow --execute" in refused.stderr
    shown = call_here(scene.directory, "offsets", "migrate", "--to", "workflow", "--json")
    assert {row["group"] for row in json.loads(shown.stdout)["offsets"]} == {
        f"{scene.group}.orders",
        f"{scene.group}.audit",
    }
    migrated = call_here(scene.directory, "offsets", "migrate", "--to", "workflow", "--execute")
    assert migrated.returncode == 0
    assert 'Next: set isolation = "workflow" in the settings, then start' in migrated.stderr
    counts = scene.receiver.count("/orders"), scene.receiver.count("/audit")
    scene.receiver.script("/audit", 200)
    with Program(scene.directory, "run", "--until-end", env=ISOLATED) as program:
        assert program.wait() == 0
    assert scene.receiver.count("/orders") == counts[0]
    assert [id_of(arrival) for arrival in scene.receiver.arrivals("/audit")[counts[1] :]] == ["m-3"]
    assert call_here(scene.directory, "offsets", "migrate", "--to", "shared", "--execute").returncode == 0
    scene.produce(tracks(range(400, 450)))
    with scene.start("--until-end") as program:
        assert program.wait() == 0
    assert duplicates(got(scene, "orders")) == duplicates(got(scene, "audit")) == []
    assert len(got(scene, "orders")) == len(got(scene, "audit")) == 450


def test_only_runs_one_workflow_of_an_isolated_deployment(scene: Scene) -> None:
    """`run --only` delivers to that workflow alone; an unknown name and a shared group are refused."""
    scene.configure(scene.workflow("orders"), scene.workflow("audit"))
    scene.produce(tracks(range(50)))
    with Program(scene.directory, "run", "--only", "audit", "--until-end", env=ISOLATED) as program:
        assert program.wait() == 0
    assert (len(got(scene, "orders")), len(got(scene, "audit"))) == (0, 50)
    unknown = call(scene.directory, "run", "--only", "audits", env=ISOLATED)
    assert (unknown.returncode, "Did you mean audit?" in unknown.stderr) == (2, True)
    assert call(scene.directory, "run", "--only", "audit").returncode == 2


def test_random_kills_of_two_members_lose_nothing(scene: Scene) -> None:
    """Two members are killed in turn, again and again: nothing is missing, and each event keeps its key."""
    scene.configure(scene.workflow("orders"))
    scene.produce(tracks(range(6000)))
    members = [scene.start(), scene.start()]
    try:
        for round_ in range(6):
            target = min(6000, (round_ + 1) * 900)
            scene.receiver.wait_for_count("/orders", target, 120)
            victim = members.pop(0)
            victim.kill()
            members.append(scene.start())
        wait_until(lambda: missing(ids_of(tracks(range(6000))), got(scene, "orders")) == [], "all arrived", 120)
        wait_until(lambda: scene.committed() == scene.ends(), "all committed")
        for member in members:
            member.line("Partitions assigned")
    finally:
        codes = [member.stop() for member in members]
    assert codes == [0, 0]
    assert scene.order_faults("/orders") == []


def test_a_hold_ends_by_a_reload(scene: Scene) -> None:
    """An event is held; the line that the log prints, put into the settings, ends it at SIGHUP; bad settings do not."""
    scene.receiver.script("/orders", when(lambda body: b'"m-0"' in body, 400))
    retry = {"initial": "100ms", "max": "300ms"}
    path = scene.configure(scene.workflow("orders", on_failure="hold"), retry=retry)
    scene.produce(make_event(n, users=1) for n in range(3))
    good = path.read_text()
    with scene.start() as program:
        line = program.line("An event is held")
        path.write_text("not toml")
        program.signal(signal.SIGHUP)
        program.line("The settings were not reloaded; nothing has changed.")
        place = line.split("give_up=")[1].strip()
        path.write_text(good + f'"give_up" = ["{place}"]\n')
        program.signal(signal.SIGHUP)
        program.line("The settings were reloaded")
        wait_until(lambda: scene.committed() == scene.ends(), "the user goes on")
        assert program.metrics().by("tray_config_reloads_total", "result") == {"ok": 1, "failed": 1}
        assert program.metrics().total("tray_dead_letters_total", workflow="orders", reason="given_up") == 1
        assert program.stop() == 0
    assert [id_of(arrival) for arrival in got(scene, "orders")] == ["m-1", "m-2"]

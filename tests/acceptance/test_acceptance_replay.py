"""Replay from the command line: exactly what is asked for, beside the live group, and on from where it stopped."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from acceptance_support import Event, Program, Scene, call, call_here, header_texts, make_event
from assertions import filled
from support import topics
from support.checker import id_of
from support.receiver import FaultReceiver
from support.topics import Broker, Given, read_topic
from support.waiting import wait_until

from stream.demo import behaviours
from stream.demo.receiver import Arrival
from stream.kafka.groups import Groups
from stream.model.committed import Committed
from stream.model.records import TopicPartition
from stream.model.timeparse import format_time

pytestmark = pytest.mark.acceptance

START = 1_795_000_000_000
DAY = 86_400_000
TYPES = ("track", "track", "identify", "track", "page", "track", "delete", "track")
SECRET = "replay-secret"


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of three partitions, and three workflows that want different things."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 3, {"retention.ms": "-1"})
    configure(scene)
    return scene


def configure(scene: Scene, **more: Any) -> None:
    """Write the settings; `more` is for each workflow."""
    scene.configure(
        scene.workflow("orders", types=["track"], events=["Order *"], **more),
        scene.workflow("privacy", types=["delete"], **more),
        scene.workflow("audit", **more),
        destination={"shared_secret": SECRET},
    )


def fill(scene: Scene, count: int, *, over_ms: int = 3 * DAY) -> list[tuple[int, Event]]:
    """Events with a timestamp each, spread evenly, on partitions of different length; the last partition is empty."""
    timed = [(START + number * over_ms // count, make_event(number, TYPES[number % 8])) for number in range(count)]
    given: list[tuple[int, Given]] = [
        (at, (event["userId"], orjson.dumps(event), int(number % 5 == 0), None))
        for number, (at, event) in enumerate(timed)
    ]
    places = topics.produce_timed_events(scene.broker.bootstrap, scene.topic, given)
    scene.places |= {event["messageId"]: place for (_, event), place in zip(timed, places, strict=True)}
    scene.users |= {event["messageId"]: event["userId"] for _, event in timed}
    return timed


def commit_live(scene: Scene) -> dict[int, int | None]:
    """The live group has done everything so far."""
    ends = topics.end_offsets(scene.broker.bootstrap, scene.topic)
    commits = {TopicPartition(scene.topic, number): Committed(end) for number, end in ends.items()}
    Groups({"bootstrap.servers": scene.broker.bootstrap}).write(scene.group, commits)
    return scene.committed()


def replay(scene: Scene, *arguments: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """(report, what was told on standard error) of a replay that ends by itself."""
    begin = call if "--execute" in arguments else call_here
    done = begin(scene.directory, "replay", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout or "{}"), done.stderr


def ids(scene: Scene, path: str) -> list[str]:
    """Message ids that arrived on a path, in order."""
    return [id_of(arrival) for arrival in scene.receiver.arrivals(path)]


def test_two_and_a_half_of_72_hours_to_one_of_three_workflows(scene: Scene) -> None:
    """Exactly those events of that workflow, none to the others, and the live group stays where it was."""
    timed = fill(scene, 100_000)
    committed = commit_live(scene)
    first, until = START + DAY + 10 * 3_600_000, START + DAY + 12 * 3_600_000 + 1_800_000
    span = ("--from", format_time(first), "--until", format_time(until))
    expected = [event["messageId"] for at, event in timed if first <= at < until and event["type"] == "track"]
    in_range = sum(first <= at < until for at, _ in timed)

    counted, _ = replay(scene, *span)
    assert scene.receiver.count() == 0
    assert counted["dry_run"] is True
    assert (counted["records"], counted["warnings"]) == (in_range, [])
    assert counted["workflows"]["orders"]["send"] == {"track": len(expected)}
    assert sum(counted["workflows"]["privacy"]["send"].values()) == counted["events"]["delete"]
    assert counted["workflows"]["audit"]["total"] == in_range

    sent, told = replay(scene, *span, "--workflow", "orders", "--name", "fix-orders", "--execute")
    assert sorted(ids(scene, "/orders")) == sorted(expected)
    assert scene.receiver.count() == len(expected)
    assert sent["workflows"]["orders"]["delivered"] == len(expected)
    assert scene.committed() == committed
    assert "idempotency keys" in told
    for arrival in filled(scene.receiver.arrivals("/orders")[:10]):
        assert arrival.headers["x-tray-replay"] == "fix-orders"
        assert arrival.headers["idempotency-key"] == id_of(arrival)
        assert arrival.headers["x-signature"] == hmac.new(SECRET.encode(), arrival.body, hashlib.sha1).hexdigest()
    assert scene.order_faults("/orders") == []

    again, told = replay(scene, *span, "--workflow", "orders", "--name", "fix-orders", "--execute")
    assert "Replay fix-orders is complete" in told
    assert (again["complete"], scene.receiver.count()) == (True, len(expected))


def test_killed_twice_it_goes_on_where_it_was(scene: Scene) -> None:
    """It comes to its end, and nothing is sent twice but what was in flight at a kill, or answered just before."""
    configure(scene, concurrency=8)
    for path in ("/orders", "/audit"):
        scene.receiver.script(path, behaviours.slow(0.02))
    fill(scene, 1_600)
    arguments = ("replay", "--from", "earliest", "--workflow", "orders", "--workflow", "audit", "--name", "all")
    at_risk: set[tuple[str, str]] = set()
    for _ in range(2):
        seen = scene.receiver.count()
        with Program(scene.directory, *arguments, "--execute") as program:
            wait_until(lambda seen=seen: scene.receiver.count() >= seen + 300, "it is on its way")  # type: ignore[misc]  # bound
            program.kill()
        at_risk |= just_before(scene.receiver.arrivals(), time.monotonic())
    last = call(scene.directory, *arguments, "--execute")
    assert last.returncode == 0, last.stderr
    assert "offsets were done before" in last.stderr

    orders, audit = Counter(ids(scene, "/orders")), Counter(ids(scene, "/audit"))
    assert len(audit) == 1_600
    assert len(orders) == 1_000
    repeated = {(path, id_) for path, of_path in (("/orders", orders), ("/audit", audit)) for id_ in of_path}
    repeated = {(path, id_) for path, id_ in repeated if (orders if path == "/orders" else audit)[id_] > 1}
    assert repeated <= at_risk
    assert len(repeated) < 2 * 2 * 8 * 4  # kills, workflows, requests in flight, and a few answers before


def just_before(arrivals: list[Arrival], killed_at: float) -> set[tuple[str, str]]:
    """(path, message id) of what arrived in the last half second."""
    return {(arrival.path, id_of(arrival)) for arrival in arrivals if arrival.at > killed_at - 0.5}


def test_interrupted_it_says_how_to_go_on(scene: Scene) -> None:
    """SIGINT drains and keeps the progress: nothing at all is sent twice. Another selection is refused meanwhile."""
    configure(scene, concurrency=4)
    scene.receiver.script("/audit", behaviours.slow(0.02))
    fill(scene, 400)
    arguments = ("replay", "--from", "earliest", "--workflow", "audit", "--name", "half", "--execute")
    with Program(scene.directory, *arguments) as program:
        wait_until(lambda: scene.receiver.count("/audit") >= 100, "it is on its way")
        program.signal(signal.SIGINT)
        assert program.wait() == 1
        assert f"The same command continues from there: tray-stream {' '.join(arguments)}" in program.log
    stopped_at = scene.receiver.count("/audit")
    assert stopped_at < 400

    _, told = replay(scene, "--from", "-100", "--workflow", "audit", "--name", "half", "--execute", code=2)
    assert "--from was earliest and is -100" in told
    left, _ = replay(scene, *arguments[1:-1])
    assert left["workflows"]["audit"]["total"] == 400 - stopped_at

    assert call(scene.directory, *arguments).returncode == 0
    assert Counter(ids(scene, "/audit")).most_common(1)[0][1] == 1
    assert scene.receiver.count("/audit") == 400


def test_selected_events_as_new_ones(scene: Scene) -> None:
    """By type, name, user and id; with keys of the replay, so that receivers that drop repetitions take them."""
    timed = fill(scene, 400)
    user = timed[3][1]["userId"]
    expected = [event["messageId"] for _, event in timed if event["userId"] == user and event["type"] == "track"]
    selection = ("--from", "earliest", "--type", "track", "--event", "Order *", "--user", user)
    report, told = replay(scene, *selection, "--name", "again", "--new-keys", "--execute")
    assert sorted(ids(scene, "/orders")) == sorted(ids(scene, "/audit")) == sorted(expected)
    assert report["left_out"]["unselected_type"] > 0
    assert "idempotency keys" not in told
    for arrival in filled(scene.receiver.arrivals("/orders")):
        assert arrival.headers["idempotency-key"] == f"{id_of(arrival)}-r-again"

    seen = scene.receiver.count()
    replay(scene, "--from", "earliest", "--message-id", "m-7", "--message-id", "m-14", "--execute")
    found = sorted((arrival.path, id_of(arrival)) for arrival in scene.receiver.arrivals()[seen:])
    assert found == [("/audit", "m-14"), ("/audit", "m-7"), ("/orders", "m-7"), ("/privacy", "m-14")]
    assert scene.receiver.arrivals()[seen].headers["x-tray-replay"]


def test_what_fails_again_is_a_dead_letter_of_the_live_group(scene: Scene) -> None:
    """With the replay's name; invalid records are counted, and not written again."""
    fill(scene, 50)
    topics.produce_events(scene.broker.bootstrap, scene.topic, [(None, b"not JSON", 0, None), (None, None, 0, None)])
    scene.receiver.script("/audit", behaviours.when(lambda body: b'"m-7"' in body, 400))
    report, _ = replay(scene, "--from", "earliest", "--workflow", "audit", "--name", "fix", "--execute")
    assert report["complete"] is True
    assert report["left_out"] == {"invalid_json": 1, "tombstone": 1}
    assert report["workflows"]["audit"]["delivered"] == 49
    assert report["workflows"]["audit"]["dead_letters"] == {"rejected": 1}
    (letter,) = read_topic(scene.broker.bootstrap, scene.dead_letters)
    headers = header_texts(letter.headers)
    assert (headers["tray.replay"], headers["tray.group"], headers["tray.workflow"]) == ("fix", scene.group, "audit")
    assert (headers["tray.reason"], headers["tray.status"], headers["tray.offset"]) == ("rejected", "400", "5")


def test_beside_the_live_processor(scene: Scene) -> None:
    """New events are delivered while a replay goes on at its rate; the group sees no other member."""
    fill(scene, 300)
    with scene.start() as live:
        wait_until(lambda: scene.receiver.count("/audit") == 300, "the live processor has caught up")
        arguments = ("replay", "--from", "earliest", "--until", "committed", "--workflow", "audit", "--rate", "100/s")
        wait_until(lambda: live.metrics().total("tray_consumer_lag") == 0, "all is committed")
        began = time.monotonic()
        with Program(scene.directory, *arguments, "--execute") as program:
            wait_until(lambda: scene.receiver.count("/audit") > 330, "the replay sends")
            scene.produce([make_event(number) for number in range(1000, 1050)])
            wait_until(lambda: scene.receiver.count("/orders") >= 188 + 50, "new events are delivered")
            assert program.is_running
            assert program.wait() == 0
        assert time.monotonic() - began > 2.5  # 300 at 100 a second
        metrics = live.metrics()
        assert live.stop() == 0
    assert metrics.by("tray_rebalances_total", "kind") == {"assigned": 1}
    assert metrics.total("tray_events_received_total") == 350
    replayed = [arrival for arrival in scene.receiver.arrivals() if "x-tray-replay" in arrival.headers]
    assert Counter(arrival.path for arrival in replayed) == {"/audit": 300}


def test_words_that_cannot_be_taken(scene: Scene) -> None:
    """Each is told with what to write instead, before anything is sent."""
    fill(scene, 10)
    for arguments, expected in (
        (("--from", "yesterday"), "2026-11-24T10:00:00Z"),
        (("--workflow", "order"), "Did you mean orders?"),
        (("--name", scene.group), "the name of the live consumer group"),
        (("--execute",), "Say where to begin"),
    ):
        done = call_here(scene.directory, "replay", *arguments)
        assert (done.returncode, expected in done.stderr.replace("\n", " ")) == (2, True), done.stderr
    done = call(scene.directory, "replay", "--from", "latest", "--execute")
    assert (done.returncode, "The range is empty" in done.stderr) == (0, True)
    assert scene.receiver.count() == 0


def test_counting_needs_no_workflow(scene: Scene) -> None:
    """A dry run tells what is in the range; the table is for people."""
    fill(scene, 40)
    scene.configure()
    done = call_here(scene.directory, "replay", "--from", "PT10S", "--until", "latest", "--topic", f"{scene.topic}:0")
    assert (done.returncode, "The range is empty" in done.stderr) == (0, True)
    done = call_here(scene.directory, "replay", "--dry-run")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["all", "types", "40"] in lines
    assert [scene.topic, "0", "0", "32", "32"] in lines
    assert call(scene.directory, "replay", "--from", "earliest", "--execute").returncode == 2

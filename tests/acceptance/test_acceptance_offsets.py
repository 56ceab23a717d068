"""Offsets shown and reset from the command line, held against Kafka's own tool."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Event, Scene, call_here, make_event, tracks
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from support.behaviours import OutageBehaviour
from support.group_tool import exported_offsets
from support.receiver import FaultReceiver
from support.topics import Given, produce_timed_events
from support.waiting import wait_until

from stream.demo.apache_kafka import ApacheKafka
from stream.demo.behaviours import always, when
from stream.demo.child import free_port
from stream.demo.kafka_jars import KafkaUnavailable
from stream.kafka.groups import Groups
from stream.model.commit_map import CommitMap, encode, name_hash
from stream.model.committed import Committed
from stream.model.records import TopicPartition
from stream.telemetry.status.report import ProcessStatus, State, WorkflowStatus, status_json

pytestmark = pytest.mark.acceptance

PARTITIONS = 3
HOUR_MS = 3_600_000


@pytest.fixture
def scene(apache_kafka: ApacheKafka, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic that is empty, and one workflow."""
    apache_kafka.create_topic(topic_name, PARTITIONS)
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    return scene


def groups_of(scene: Scene) -> Groups:
    return Groups({"bootstrap.servers": scene.broker.bootstrap})


def told(scene: Scene, *arguments: str) -> Any:
    """What `offsets` prints as JSON; it ends with 0."""
    ended = call_here(scene.directory, "offsets", *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["schema_version"] == 1
    return found.get("groups", found)


def fill_by_hours(scene: Scene, now_ms: int) -> None:
    """A record each hour of the last hours: 30, 20 and 0 in the three partitions; the first 5 of partition 0 expire."""
    given: list[tuple[int, Given]] = [
        (now_ms - (count - n) * HOUR_MS, ("k", f"{n}", partition, None))
        for partition, count in ((0, 30), (1, 20))
        for n in range(count)
    ]
    produce_timed_events(scene.broker.bootstrap, scene.topic, given)
    with AdminClient({"bootstrap.servers": scene.broker.bootstrap}) as admin:
        for future in admin.delete_records([KafkaPartition(scene.topic, 0, 5)]).values():
            future.result(20)


def commit(scene: Scene, offsets: dict[int, int], metadata: str = "", group: str = "") -> None:
    """Commit for the group, which has no members."""
    commits = {TopicPartition(scene.topic, p): Committed(offset, metadata) for p, offset in offsets.items()}
    groups_of(scene).write(group or scene.group, commits)


def test_partitions_that_cannot_be_read_are_told(scene: Scene) -> None:
    """A committed offset that is gone, or lies beyond the end, and what the processor that runs here says of it."""
    fill_by_hours(scene, int(time.time() * 1000))
    commit(scene, {0: 3, 1: 500, 2: 0})
    port = free_port()
    scene.configure(scene.workflow("orders"), http={"listen": f"127.0.0.1:{port}"})
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_partitions_halted") == 2, "two partitions are halted")
        (group,) = told(scene, "show")
        shown = call_here(scene.directory, "offsets", "show").stdout
        assert run.stop() == 0
    assert [(one["lost"], one["beyond_end"]) for one in group["partitions"]] == [(2, 0), (0, 480), (0, 0)]
    assert group["running"] | {"kafka_away_since": None} == {
        "kafka_up": True,
        "kafka_away_since": None,
        "partitions_assigned": 3,
        "partitions_halted": 2,
        "partitions_awaiting_schema": 0,
    }
    assert f"{scene.topic}:0: 2 offsets from the committed one on are gone from the topic." in shown
    assert f"{scene.topic}:1: the committed offset lies 480 beyond the end; it is not read." in shown
    assert "The running processor: partitions halted: 2; its log names them." in shown
    assert told(scene, "show")[0]["running"] is None


def test_each_word_means_what_it_means_to_kafkas_own_tool(scene: Scene) -> None:
    """Partitions of different length, one empty, one partly expired, one without a commit."""
    now_ms = int(time.time() * 1000)
    fill_by_hours(scene, now_ms)
    commit(scene, {0: 12, 1: 3})
    both, two = scene.topic, f"{scene.topic}:0,1"
    file = scene.directory / "wanted.csv"
    file.write_text(f"{scene.topic},0,1\n{scene.topic},1,7\n{scene.topic},2,9\n")
    noon = datetime.fromtimestamp(now_ms / 1000 - 10 * 3600 - 60, UTC).strftime("%Y-%m-%dT%H:%M:%S.000")
    cases = [
        (both, "--to-earliest"),
        (both, "--to-latest"),
        (both, "--to-current"),
        (both, "--to-offset", "8"),
        (both, "--to-datetime", noon),
        (both, "--by-duration", "PT4H30M"),
        (two, "--shift-by", "-9"),
        (both, "--from-file", str(file)),
    ]
    with ThreadPoolExecutor(2) as pool:
        try:
            theirs = list(pool.map(lambda case: _theirs(scene, *case), cases))
        except KafkaUnavailable as missing:
            pytest.skip(str(missing))
    for case, expected in zip(cases, theirs, strict=True):
        topic, *word = case
        ours = told(scene, "reset", "--topic", topic, *word)["offsets"]
        assert {(row["topic"], row["partition"]): row["new_offset"] for row in ours} == expected, case
    assert theirs[4] == {(scene.topic, 0): 20, (scene.topic, 1): 10, (scene.topic, 2): 0}


def _theirs(scene: Scene, topic: str, *word: str) -> dict[tuple[str, int], int]:
    return exported_offsets(scene.broker.bootstrap, scene.group, "--topic", topic, *word)


def test_a_reset_is_dry_until_it_is_executed(scene: Scene) -> None:
    """Then the offsets are there, for our tool and Kafka's alike, and no map is left behind."""
    fill_by_hours(scene, int(time.time() * 1000))
    done = encode(CommitMap(12, {name_hash("orders"): [(14, 20)]}), 4000)
    commit(scene, {0: 12}, done)
    dry = call_here(scene.directory, "offsets", "reset", "--to-current")
    assert dry.returncode == 0
    assert "What is done beyond the committed offsets would be forgotten: 6 deliveries" in dry.stderr
    assert "Nothing was written. Add --execute to write it." in dry.stderr
    assert scene.committed() == {0: 12, 1: None, 2: None}
    done_now = call_here(
        scene.directory, "offsets", "reset", "--to-current", "--topic", f"{scene.topic}:0", "--execute"
    )
    assert (done_now.returncode, done_now.stderr.splitlines()[-1]) == (0, "Written.")
    tp = TopicPartition(scene.topic, 0)
    assert groups_of(scene).committed(scene.group, [tp]) == {tp: Committed(12, "")}
    clamped = call_here(scene.directory, "offsets", "reset", "--to-offset", "2", "--execute")
    assert f"Warning: {scene.group}: {scene.topic}:0: 2 is below the first offset: set to 5." in clamped.stderr
    assert scene.committed() == {0: 5, 1: 2, 2: 0}


def test_export_and_import(scene: Scene) -> None:
    """What is exported can be read again, by Kafka's tool as well."""
    fill_by_hours(scene, int(time.time() * 1000))
    commit(scene, {0: 12, 1: 3, 2: 0})
    exported = call_here(scene.directory, "offsets", "reset", "--to-current", "--export").stdout
    assert exported.splitlines() == [f"{scene.topic},{p},{offset}" for p, offset in ((0, 12), (1, 3), (2, 0))]
    (scene.directory / "offsets.csv").write_text(exported)
    told(scene, "reset", "--to-earliest", "--execute")
    assert scene.committed() == {0: 5, 1: 0, 2: 0}
    told(scene, "reset", "--from-file", "offsets.csv", "--execute")
    assert scene.committed() == {0: 12, 1: 3, 2: 0}


def test_events_are_delivered_again_from_the_new_offset_on(scene: Scene) -> None:
    """Also those that the commit before had as done beyond its offset."""
    scene.produce(make_event(n, users=1) for n in range(10))
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    assert scene.receiver.count("/orders") == 10
    told(scene, "reset", "--shift-by", "-4", "--execute", "--topic", f"{scene.topic}:{scene.places['m-0'][0]}")
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    assert [a.headers["idempotency-key"] for a in scene.receiver.arrivals("/orders")[10:]] == [
        f"m-{n}" for n in range(6, 10)
    ]


def test_what_a_running_group_shows(scene: Scene) -> None:
    """A workflow that is down holds an event back: committed, left, its age, who has the partition, the gate."""
    scene.configure(scene.workflow("orders"), scene.workflow("crm"), http={"listen": "127.0.0.1:0"})
    scene.produce(tracks(range(60)))
    scene.receiver.script("/orders", when(lambda body: b'"n":5,' in body, OutageBehaviour()))
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_deliveries_total", outcome="delivered") == 119, "the rest is done")
        partition, offset = scene.places["m-5"]
        ends = scene.ends()
        wait_until(lambda: scene.committed() == ends | {partition: offset}, "all but that one is committed")
        wait_until(lambda: _shown(scene)["workflows"][0]["left"] == 1, "the map is committed, too")
        group = _shown(scene)
        refused = call_here(scene.directory, "offsets", "reset", "--to-earliest", "--execute")
        looked = call_here(scene.directory, "offsets", "reset", "--to-earliest")
    assert (group["group"], group["state"], len(group["members"])) == (scene.group, "stable", 1)
    assert [(w["workflow"], w["left"]) for w in group["workflows"]] == [("orders", 1), ("crm", 0)]
    row = next(row for row in group["partitions"] if row["partition"] == partition)
    assert (row["committed"], row["end"], row["lag"]) == (offset, ends[partition], ends[partition] - offset)
    assert (row["left"], row["oldest_open"], row["member"]) == (1, offset, group["members"][0]["id"])
    assert 0 <= row["oldest_open_age_s"] < 120
    others = [row for row in group["partitions"] if row["partition"] != partition]
    assert [(row["lag"], row["left"], row["oldest_open"]) for row in others] == [(0, 0, None)] * 2
    assert refused.returncode == 1
    assert f"The group {scene.group} is active (stable, members: 1). Stop each process that runs it" in refused.stderr
    assert looked.returncode == 0
    assert f"Active, and so not to be reset until every member is stopped: {scene.group} (stable)." in looked.stderr


def test_what_is_held_is_asked_of_the_running_processor(scene: Scene, receiver: FaultReceiver) -> None:
    """How many events, and since when the gate is closed; without an answer offsets are shown all the same."""
    closed_at = time.time() - 3700
    held = held_workflow(scene.group, "orders", held=2, closed_since=closed_at)
    status = ProcessStatus(time.time(), "1.2.3", 0, 0, 0, 0, workflows=[held])
    receiver.script("/status.json", always(200, json.dumps(status_json(status, "orders is held.")).encode()))
    scene.configure(scene.workflow("orders"), http={"listen": f"127.0.0.1:{receiver.port}"})
    shown = call_here(scene.directory, "offsets", "show").stdout
    assert "orders: 2 events are held; they end badly and are not given up." in shown
    assert "orders: its gate is closed since " in shown
    assert "(1h01m)" in shown
    [workflow] = _shown(scene)["workflows"]
    assert (workflow["held"], workflow["closed_since"][:4]) == (2, time.strftime("%Y", time.gmtime(closed_at)))
    receiver.script("/status.json", 404)
    unknown = {"workflow": "orders", "left": 0, "paused": False, "held": None, "closed_since": None}
    assert _shown(scene)["workflows"] == [unknown]


def held_workflow(group: str, workflow: str, held: int, closed_since: float) -> WorkflowStatus:
    """A workflow that has done nothing, holds events, and has its gate closed."""
    counts: dict[str, Any] = {one.name: 0 for one in fields(WorkflowStatus) if one.default_factory is MISSING}
    return WorkflowStatus(
        **counts
        | {"group": group, "workflow": workflow, "state": State.HELD, "because": ""}
        | {"held": held, "gate_closed_since": closed_since, "failing": {}, "filtered_by_reason": {}}
    )


def _shown(scene: Scene) -> Event:
    [group] = told(scene, "show")
    found: Event = group
    return found


def test_each_workflow_has_its_own_offsets(scene: Scene) -> None:
    """With a group for each: shown and reset one by one, or all at once; a file then names the groups."""
    scene.configure(scene.workflow("orders"), scene.workflow("crm"))
    text = (scene.directory / "stream.toml").read_text()
    (scene.directory / "stream.toml").write_text('isolation = "workflow"\n' + text)
    fill_by_hours(scene, int(time.time() * 1000))
    for workflow, offset in (("orders", 6), ("crm", 9)):
        commit(scene, {0: offset, 1: offset, 2: 0}, group=f"{scene.group}.{workflow}")
    shown = told(scene, "show")
    assert [(g["group"], g["partitions"][1]["lag"]) for g in shown] == [
        (f"{scene.group}.orders", 14),
        (f"{scene.group}.crm", 11),
    ]
    assert [g["group"] for g in told(scene, "show", "--workflow", "crm")] == [f"{scene.group}.crm"]
    exported = call_here(scene.directory, "offsets", "reset", "--to-current", "--export").stdout
    assert exported.splitlines()[0] == f"{scene.group}.orders,{scene.topic},0,6"
    assert len(exported.splitlines()) == 6
    told(scene, "reset", "--workflow", "crm", "--to-earliest", "--execute")
    by_group = {g["group"]: [row["committed"] for row in g["partitions"]] for g in told(scene, "show")}
    assert by_group == {f"{scene.group}.orders": [6, 6, 0], f"{scene.group}.crm": [5, 0, 0]}
    (scene.directory / "all.csv").write_text(exported)
    told(scene, "reset", "--from-file", "all.csv", "--execute")
    assert [[row["committed"] for row in g["partitions"]] for g in told(scene, "show")] == [[6, 6, 0], [9, 9, 0]]
    (scene.directory / "plain.csv").write_text(f"{scene.topic},0,7\n")
    ended = call_here(scene.directory, "offsets", "reset", "--from-file", "plain.csv")
    assert (ended.returncode, "names no group, and each workflow has one" in ended.stderr) == (2, True)


def test_a_group_that_never_was(scene: Scene) -> None:
    """It is shown, with nothing committed; what there is to shift is said."""
    fill_by_hours(scene, int(time.time() * 1000))
    group = _shown(scene)
    assert (group["state"], group["members"]) == ("dead", [])
    assert [row["committed"] for row in group["partitions"]] == [None] * 3
    shown = call_here(scene.directory, "offsets", "show").stdout
    assert f"Group {scene.group}: does not exist" in shown
    shifted = call_here(scene.directory, "offsets", "reset", "--shift-by", "1")
    assert shifted.returncode == 1
    assert "has committed nothing that could be shifted for" in shifted.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        ((), 2, "does not say where to. Give one of --to-earliest, --to-latest"),
        (("--to-earliest", "--to-latest"), 2, "2 of the words were given. Give one of"),
        (("--to-datetime", "noon"), 2, "--to-datetime: 'noon' is not a time. Accepted are:"),
        (("--by-duration", "2x"), 2, "--by-duration: '2x' is not a duration. Accepted are:"),
        (("--from-file", "missing.csv"), 2, "--from-file: [Errno 2] No such file"),
        (("--to-earliest", "--topic", "TOPIC:7"), 2, "names partitions that are none of the topics': TOPIC:7."),
        (("--from-file", "unknown.csv"), 2, "--from-file: names partitions that are none of the topics': other:0."),
        (("--to-earliest", "--topic", "never"), 1, "There is no topic never on this cluster"),
        (("--to-earliest", "--workflow", "orders"), 2, "all workflows share one consumer group"),
        (("--to-earliest", "--workflow", "order"), 2, "there is no workflow order. Did you mean orders?"),
        (("--to-earliest", "--execute", "--dry-run"), 2, "--execute: cannot be used together with --dry-run."),
        (("--to-earliest", "--export", "--json"), 2, "--export: cannot be used together with --json."),
    ],
)
def test_what_cannot_be_done_is_said(scene: Scene, arguments: tuple[str, ...], code: int, what: str) -> None:
    """Nothing is written."""
    (scene.directory / "unknown.csv").write_text("other,0,1\n")
    given = [argument.replace("TOPIC", scene.topic) for argument in arguments]
    ended = call_here(scene.directory, "offsets", "reset", *given)
    assert ended.returncode == code, ended.stderr
    assert what.replace("TOPIC", scene.topic) in ended.stderr
    assert "Traceback" not in ended.stderr

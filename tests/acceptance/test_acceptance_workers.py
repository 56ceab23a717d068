"""`run --workers`: several processes under one supervisor, seen from outside as one run."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Event, Program, Scene, call, ids_of, tracks
from assertions import every
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from support.authority import Authority
from support.checker import missing, unexpected, unstable_keys
from support.receiver import FaultReceiver
from support.topics import Broker
from support.trace import merge_traces, read_trace
from support.waiting import wait_until
from test_acceptance_endpoint import check_with_promtool

from stream.demo.behaviours import slow

pytestmark = pytest.mark.acceptance

EVENTS = 4000
PATH = "/orders"
AT_ONCE_S = 20.0
"""Less than what is in flight takes, and than a drain's timeout."""


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of four partitions with events, and a workflow that takes so long that no worker is through alone."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    receiver.script(PATH, slow(0.2))
    scene.produce(tracks(range(EVENTS)))
    return scene


def orders(scene: Scene, **more: Any) -> Event:
    """The workflow, with a fixed concurrency: all events take it at least a minute until `wait_until_shared`."""
    return scene.workflow("orders", max_in_flight=16, concurrency=16, **more)


def wait_until_shared(scene: Scene, run: Program) -> None:
    """Both workers deliver; from then on the workflow is fast."""
    wait_until(lambda: len(run.metrics().by("tray_deliveries_total", "worker")) == 2, "both deliver")
    scene.receiver.script(PATH, slow(0.01))


def workers_of(run: Program) -> list[int]:
    """Process ids of the workers, as the system tells."""
    path = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    return [int(pid) for pid in path.read_text().split()]


def is_gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def members_of(scene: Scene) -> set[str | None]:
    """Names of the group's static members."""
    with AdminClient({"bootstrap.servers": scene.broker.bootstrap}) as admin:
        group = admin.describe_consumer_groups([scene.group])[scene.group].result(10)
        return {member.group_instance_id for member in group.members}


def status_of(run: Program) -> dict[str, Any]:
    """The status of all workers together."""
    found: dict[str, Any] = json.loads(run.get("/status.json")[1])
    return found


def check_everything_arrived(scene: Scene) -> None:
    """Nothing is missing, nothing is strange, users are in order, and all is committed."""
    ids, arrivals = ids_of(tracks(range(EVENTS))), scene.receiver.arrivals(PATH)
    assert not missing(ids, arrivals)
    assert not unexpected(ids, arrivals)
    assert not unstable_keys(arrivals)
    assert not scene.order_faults(PATH)
    assert scene.committed() == scene.ends()


def test_a_killed_worker_is_started_again(scene: Scene) -> None:
    """`kill -9` one of two in the middle: everything is delivered, and one endpoint tells of both all the time."""
    scene.configure(orders(scene))
    with scene.start("--workers", "2", "--trace", "trace.jsonl") as run:
        wait_until_shared(scene, run)
        assert run.get("/readyz") == (200, "ok\n")
        check_with_promtool(run.metrics().text)
        victim = workers_of(run)[0]
        os.kill(victim, signal.SIGKILL)
        died = run.line("A worker has died; it is started again.")
        wait_until(lambda: run.metrics().total("tray_worker_restarts_total") == 1, "it is started again")
        wait_until(lambda: scene.committed() == scene.ends(), "all is committed")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "ready again")
        wait_until(lambda: status_of(run)["groups"][0]["members"] == 2, "both are in the status")
        wait_until(lambda: status_of(run)["groups"][0]["partitions_assigned"] == 4, "with all partitions")
        status, page = status_of(run), run.get("/")[1]
        last = run.metrics()
        assert run.stop() == 0

    assert 'how="signal SIGKILL"' in died
    assert last.by("tray_worker_up", "worker") == {"0": 1, "1": 1}
    assert 'tray_open_events{worker="1",group=' in last.text
    assert every('worker="' in line for line in last.text.splitlines() if not line.startswith("#"))
    check_with_promtool(last.text)
    assert (status["workers"], status["workers_up"], status["worker_restarts"]) == (2, 2, 1)
    assert {one["worker"] for one in status["partitions"]} == {"0", "1"}
    died_too = next(change for change in status["changes"] if change["what"] == "worker_down")
    assert re.fullmatch(r"Worker [01] died \(signal SIGKILL\); it is started again\.", died_too["sentence"])
    assert "workers 2/2, restarts 1" in page
    check_everything_arrived(scene)
    traces = [read_trace(path) for path in sorted(scene.directory.glob("trace.jsonl.*"))]
    assert not scene.commit_faults([merge_traces(traces)], "orders")


def test_sigterm_drains_every_worker(scene: Scene) -> None:
    """What arrived is answered and committed, both end with 0, and so does the supervisor; also when all are told."""
    scene.configure(orders(scene), kafka={"group_instance_id": "box"})
    with scene.start("--workers", "2") as run:
        wait_until_shared(scene, run)
        assert members_of(scene) == {"box-0", "box-1"}
        workers = workers_of(run)
        for pid in workers:
            os.kill(pid, signal.SIGTERM)  # as systemd does, which signals every process of a service
        assert run.stop() == 0
    assert every(map(is_gone, workers))
    assert every(arrival.status for arrival in scene.receiver.arrivals(PATH))
    assert len(re.findall(r"info Stopped\. worker=[01]", run.log)) == 2
    with scene.start("--workers", "2", "--until-end") as rest:
        assert rest.wait() == 0
    check_everything_arrived(scene)


def test_a_second_signal_ends_every_process_at_once(scene: Scene) -> None:
    """130, and no worker is left."""
    scene.receiver.script(PATH, slow(30))
    scene.configure(scene.workflow("orders", timeout="60s"))
    with scene.start("--workers", "2") as run:
        assert scene.receiver.wait_for_count(PATH, 1)
        workers = workers_of(run)
        run.signal(signal.SIGINT)
        run.line("Stopping: the workers drain")
        run.signal(signal.SIGTERM)
        assert run.wait(timeout=AT_ONCE_S) == 130
        wait_until(lambda: all(map(is_gone, workers)), "the workers are gone", timeout=AT_ONCE_S)


def test_no_worker_outlives_its_supervisor(scene: Scene) -> None:
    """`kill -9` of the supervisor: the workers drain, commit and end by themselves."""
    scene.configure(orders(scene))
    with scene.start("--workers", "2") as run:
        wait_until_shared(scene, run)
        workers = workers_of(run)
        run.kill()
        wait_until(lambda: all(map(is_gone, workers)), "the workers are gone")
    assert run.log.count("The supervisor is gone; draining, then a last commit.") == 2
    assert every(arrival.status for arrival in scene.receiver.arrivals(PATH))


def test_what_the_settings_allow_holds_for_all_workers_together(scene: Scene) -> None:
    """Requests in flight; more workers than partitions is a warning, and those without any are ready all the same."""
    scene.receiver.script(PATH, slow(0.2))
    scene.configure(scene.workflow("orders", max_in_flight=8, concurrency=8))
    with scene.start("--workers", "5") as run:
        warning = run.line("There are more workers than partitions")
        wait_until(lambda: run.metrics().total("tray_in_flight") >= 6, "requests are in flight")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "all are ready")
        seen = [run.metrics().total("tray_in_flight") for _ in range(20)]
        limits = run.metrics().by("tray_concurrency_limit", "worker")
        assert run.stop() == 0
    assert "workers=5 partitions=4" in warning
    assert limits == {"0": 2, "1": 2, "2": 2, "3": 1, "4": 1}
    assert max(seen) <= 8


def test_mistakes_are_told_once_before_any_worker_starts(scene: Scene, tmp_path: Path) -> None:
    """Settings: exit 2, one text. A topic that is not there: exit 1, not a restart for ever."""
    scene.configure(scene.workflow("orders"), limits={"max_open": 1})
    ended = call(tmp_path, "run", "--workers", "2")
    assert (ended.returncode, ended.stderr.count("limits.max_open")) == (2, 1)
    assert call(tmp_path, "run", "--workers", "0").returncode == 2
    scene.configure(scene.workflow("orders"), kafka={"topics": ["there-is-none"]})
    ended = call(tmp_path, "run", "--workers", "2", "--until-end")
    assert ended.returncode == 1
    assert ended.stderr.count("no topic there-is-none on this cluster") == 1


@pytest.fixture
def small(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """A topic of two partitions, whose events up to a committed offset are delivered; records after it are gone."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 2)
    scene.configure(scene.workflow("orders"))
    scene.produce(tracks(range(100)))
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    scene.produce(tracks(range(100, 200)))
    return scene


def lose(scene: Scene, *partitions: int) -> set[str]:
    """Delete all but the last record beyond the commit; the message ids of what is gone, or behind it."""
    committed, ends = scene.committed(), scene.ends()
    with AdminClient({"bootstrap.servers": scene.broker.bootstrap}) as admin:
        asked = [TopicPartition(scene.topic, partition, ends[partition] - 1) for partition in partitions]
        for answer in admin.delete_records(asked).values():
            answer.result(30)
    return {id_ for id_, (p, offset) in scene.places.items() if p in partitions and offset >= (committed[p] or 0)}


def test_records_lost_on_one_partition_stop_no_other(small: Scene) -> None:
    """Its worker has nothing left, stays, and goes on telling of it; the other worker's partition is delivered."""
    gone = lose(small, 0)
    healthy = set(ids_of(tracks(range(200)))) - gone
    with small.start("--workers", "2") as run:
        run.line("Records that were not read are gone from the topic; this partition is not consumed.")
        wait_until(lambda: small.committed()[1] == small.ends()[1], "the other partition is delivered")
        small.produce(tracks(range(200, 300)))
        wait_until(lambda: small.committed()[1] == small.ends()[1], "and goes on")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "both are ready")
        assert run.metrics().by("tray_worker_up", "worker") == {"0": 1, "1": 1}
        assert run.metrics().total("tray_worker_restarts_total") == 0
        assert run.stop() == 0
    healthy |= {id_ for id_, (partition, _) in small.places.items() if partition == 1}
    assert not missing(sorted(healthy), small.receiver.arrivals(PATH))


def test_records_lost_on_every_partition_end_all_workers(small: Scene) -> None:
    """Exit code 4, as without workers, and nothing is restarted."""
    lose(small, 0, 1)
    before = small.committed()
    with small.start("--workers", "2") as run:
        assert run.wait(timeout=90) == 4
    assert "No worker has anything left to consume" in run.log
    assert "it is started again" not in run.log
    assert small.committed() == before


@pytest.mark.parametrize("lost", [(0,), (0, 1)])
def test_records_lost_before_the_end_of_the_topics(small: Scene, lost: tuple[int, ...]) -> None:
    """`--until-end` delivers what can be, and ends with 4 however the lost partitions lie."""
    gone = lose(small, *lost)
    with small.start("--workers", "2", "--until-end") as run:
        assert run.wait(timeout=90) == 4
    healthy = set(ids_of(tracks(range(200)))) - gone
    assert not missing(sorted(healthy), small.receiver.arrivals(PATH))


def test_a_worker_stopped_alone_does_not_end_a_run_until_the_end(scene: Scene) -> None:
    """Its exit is in order, and no sign that everything is delivered."""
    scene.configure(orders(scene))
    with scene.start("--workers", "2", "--until-end") as run:
        wait_until_shared(scene, run)
        os.kill(workers_of(run)[0], signal.SIGTERM)
        run.line("it is started again")
        assert run.wait(timeout=120) == 0
    check_everything_arrived(scene)


def test_a_file_that_is_being_replaced_while_a_worker_restarts(scene: Scene, tmp_path: Path) -> None:
    """The worker cannot start and is tried again until the file is whole; the other one delivers."""
    authority = Authority(tmp_path / "authority").certificate
    scene.configure(orders(scene, ca_file=str(authority)))
    with scene.start("--workers", "2") as run:
        wait_until_shared(scene, run)
        whole = authority.read_text()
        authority.write_text("")
        os.kill(workers_of(run)[0], signal.SIGKILL)
        line = run.line('how="exit code 2"')
        assert "it is started again" in line
        authority.write_text(whole)
        wait_until(lambda: run.metrics().by("tray_worker_up", "worker") == {"0": 1, "1": 1}, "both are up")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "both are ready")
        wait_until(lambda: scene.committed() == scene.ends(), "all is committed")
        assert run.stop() == 0
    check_everything_arrived(scene)


def test_a_worker_restarts_with_the_settings_in_force(scene: Scene, tmp_path: Path) -> None:
    """A file of the first settings may be gone by then; settings that were refused are not taken by it either."""
    first, second = (Authority(tmp_path / name).certificate for name in ("first", "second"))
    scene.configure(orders(scene, ca_file=str(first)))
    with scene.start("--workers", "2") as run:
        wait_until_shared(scene, run)
        scene.configure(orders(scene, ca_file=str(second)))
        run.signal(signal.SIGHUP)
        run.line("The settings were reloaded.")
        first.unlink()
        scene.configure(orders(scene, ca_file=str(first)))
        run.signal(signal.SIGHUP)
        assert "ca_file" in run.line("The settings were not reloaded")
        os.kill(workers_of(run)[0], signal.SIGKILL)
        wait_until(lambda: run.metrics().total("tray_worker_restarts_total") == 1, "it is started again")
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "both are ready")
        assert run.stop() == 0
    assert "exit code 2" not in run.log


def test_a_stopped_worker_does_not_keep_the_supervisor_from_ending(scene: Scene) -> None:
    """However many reloads wait for it; the second signal ends all at once."""
    scene.receiver.script(PATH, slow(30))
    scene.configure(scene.workflow("orders", timeout="60s"))
    with scene.start("--workers", "2") as run:
        assert scene.receiver.wait_for_count(PATH, 1)
        workers = workers_of(run)
        os.kill(workers[0], signal.SIGSTOP)
        for number in range(300):
            scene.configure(scene.workflow("orders", timeout=f"{60 + number}s"))
            run.signal(signal.SIGHUP)
            run.get("/healthz")
        run.signal(signal.SIGTERM)
        run.line("Stopping: the workers drain")
        run.signal(signal.SIGTERM)
        assert run.wait(timeout=60) == 130
        wait_until(lambda: all(map(is_gone, workers)), "the workers are gone")

"""SIGHUP: other settings while requests are in flight."""

from __future__ import annotations

import hmac
import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from acceptance_support import Event, Program, Scene, ids_of, make_event, tracks
from assertions import every
from standardwebhooks import Webhook
from support.checker import id_of
from support.receiver import FaultReceiver
from support.topics import Broker, committed_offsets
from support.trace import read_trace
from support.waiting import wait_until

from stream.demo.behaviours import slow
from stream.demo.receiver import Arrival

RELOADS = 20


@pytest.fixture
def scene(apache_kafka: Broker, topic_name: str, receiver: FaultReceiver, tmp_path: Path) -> Scene:
    """A topic with four partitions."""
    apache_kafka.create_topic(topic_name, 4)
    return Scene(apache_kafka, topic_name, receiver, tmp_path)


def secret(generation: int) -> str:
    """The secret of one set of settings."""
    return f"the-secret-of-generation-{generation:02}"


def generation_of(scene: Scene, number: int) -> list[Event]:
    """Workflows whose URL, header and secret are all of one set of settings."""
    more = {"headers": {"X-Set": str(number)}, "shared_secret": secret(number), "signing": "both"}
    orders = scene.workflow("orders", **more, ordering=("user", "partition")[number % 2])
    orders["url"] = scene.receiver.url(f"/orders-{number}")
    return [orders, scene.workflow("audit")]


def reload(scene: Scene, program: Program, number: int, *workflows: Event, **sections: Any) -> None:
    """Write other settings, signal, and wait until they are in force."""
    scene.configure(*workflows, **sections)
    program.signal(signal.SIGHUP)
    wait_until(lambda: program.metrics().total("tray_config_reloads_total", result="ok") == number, f"reload {number}")


@contextmanager
def producing(scene: Scene) -> Iterator[None]:
    """Events keep coming within the block."""
    is_over = threading.Event()

    def produce() -> None:
        for batch in count():
            if is_over.wait(0.02):
                return
            scene.produce(tracks(range(batch * 50, batch * 50 + 50)))

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def faults_of(arrival: Arrival) -> list[str]:
    """What of a request is not of the settings that its path is of."""
    number, headers = int(arrival.path.rpartition("-")[2]), arrival.headers
    faults = [] if headers["x-set"] == str(number) else [f"header of {headers['x-set']} at {arrival.path}"]
    if headers["x-signature"] != hmac.digest(secret(number).encode(), arrival.body, "sha1").hex():
        faults.append(f"X-Signature at {arrival.path}")
    Webhook(secret(number).encode()).verify(arrival.body, headers)
    return faults


def test_twenty_reloads_under_load_lose_nothing_and_mix_nothing(scene: Scene) -> None:
    """URL, header, secret and order change twenty times; each event arrives once, wholly of one set of settings."""
    for number in range(RELOADS + 1):
        scene.receiver.script(f"/orders-{number}", slow(0.03))
    scene.configure(*generation_of(scene, 0))
    with scene.start("--trace", "run.trace") as program:
        with producing(scene):
            for number in range(1, RELOADS + 1):
                before = scene.receiver.count(f"/orders-{number - 1}")
                wait_until(lambda: scene.receiver.count(f"/orders-{number - 1}") > before, "requests are in flight")  # noqa: B023 - it is asked at once
                reload(scene, program, number, *generation_of(scene, number))
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed")
        metrics = program.metrics()
        assert program.stop() == 0
    orders = [a for number in range(RELOADS + 1) for a in scene.receiver.arrivals(f"/orders-{number}")]
    assert [fault for arrival in orders for fault in faults_of(arrival)] == []
    assert Counter(map(id_of, orders)) == dict.fromkeys(scene.places, 1)
    assert Counter(map(id_of, scene.receiver.arrivals("/audit"))) == dict.fromkeys(scene.places, 1)
    assert scene.commit_faults([read_trace(scene.directory / "run.trace")], "orders", "audit") == []
    assert sum(scene.receiver.count(f"/orders-{number}") > 0 for number in range(RELOADS + 1)) >= RELOADS
    assert (metrics.received, metrics.total("tray_deliveries_total", outcome="stale")) == (len(scene.places), 0)


def test_a_broken_file_changes_nothing(scene: Scene) -> None:
    """Nor does a file that names what is not there; each is told and counted, and the run goes on as it was."""
    scene.configure(scene.workflow("orders"))
    with scene.start() as program:
        _deliver(scene, range(3), "/orders")
        (scene.directory / "empty").write_text("\n")
        unsigned = '[destination]\nshared_secret = "${file:empty}"\n'
        missing = '[[workflow]]\nurl = "${env:NO_SUCH_VARIABLE}"'
        for number, toml in enumerate(["[[workflow", missing, _without_authority(scene), unsigned], 1):
            (scene.directory / "stream.toml").write_text(toml)
            program.signal(signal.SIGHUP)
            wait_until(partial(_has_failed, program, number), f"failed reload {number}")
        for told in ("NO_SUCH_VARIABLE", "nowhere.pem cannot be read", "refers to the file empty, which is empty"):
            program.line(told)
        _deliver(scene, range(3, 6), "/orders")
        assert program.metrics().total("tray_config_reloads_total", result="ok") == 0
        assert program.stop() == 0


def test_what_needs_a_restart_is_told_and_changes_nothing(scene: Scene) -> None:
    """The rest of the file is applied all the same."""
    scene.configure(scene.workflow("orders"))
    with scene.start() as program:
        _deliver(scene, range(3), "/orders")
        other = {"group_id": "another", "topics": ["another"], "commit_interval": "300ms"}
        moved = {**scene.workflow("orders"), "url": scene.receiver.url("/moved")}
        reload(scene, program, 1, moved, kafka=other, http={"listen": "127.0.0.1:1"})
        line = program.line("need a restart")
        assert every(key in line for key in ("kafka.topics", "kafka.group_id", "kafka.commit_interval", "http.listen"))
        _deliver(scene, range(3, 6), "/moved")
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed for the old group")
        assert program.stop() == 0


def test_a_reload_says_what_has_changed(scene: Scene) -> None:
    """The settings by their keys, secrets without their values; that nothing has, and why that may be so."""
    path = scene.configure(scene.workflow("orders", shared_secret="first-secret"))
    with scene.start() as program:
        program.line("Starting.")
        path.write_text(path.read_text().replace("first-secret", "second-secret"))
        program.signal(signal.SIGHUP)
        line = program.line("The settings were reloaded.")
        assert "changed=workflow[orders].shared_secret" in line
        program.signal(signal.SIGHUP)
        line = program.line("The settings were reloaded; nothing has changed.")
        assert "subPath" in line
        assert program.stop() == 0
        assert "-secret" not in program.log


def test_warnings_are_told_at_a_reload(scene: Scene) -> None:
    """As they are at a start: what is questionable about the new file, brokers that are not verified included."""
    scene.configure(scene.workflow("orders"))
    with scene.start() as program:
        _deliver(scene, range(3), "/orders")
        assert "custom type" not in program.log
        questionable = {**scene.workflow("orders"), "types": ["track", "trak"]}
        reload(scene, program, 1, questionable, **{"kafka.options": {"enable.ssl.certificate.verification": "False"}})
        program.line("trak is a custom type")
        program.line("turns off the check that a broker is who it says")
        assert program.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_workflows_come_and_go(scene: Scene, workers: int) -> None:
    """An added one gets what comes from then on; what waited for a removed one ends, and holds no commit back."""
    scene.receiver.script("/dead", 503)
    scene.configure(scene.workflow("dead"), scene.workflow("audit"))
    with scene.start("--workers", str(workers)) as program:
        _deliver(scene, range(8), "/audit")
        reload(scene, program, workers, scene.workflow("audit"), scene.workflow("fresh"))
        wait_until(lambda: scene.committed() == scene.ends(), "nothing waits for the removed workflow")
        metrics = program.metrics()
        assert metrics.total("tray_events_filtered_total", reason="removed") == 8
        program.line("A workflow was removed")
        _deliver(scene, range(8, 12), "/fresh", "/audit")
        wait_until(lambda: scene.committed() == scene.ends(), "everything is committed")
        wait_until(lambda: 'workflow="dead"' not in program.metrics().text, "its numbers are gone")
        assert program.stop() == 0
    assert {id_of(arrival) for arrival in scene.receiver.arrivals("/fresh")} == {f"m-{n}" for n in range(8, 12)}


def test_with_groups_of_their_own_engines_begin_and_end(scene: Scene) -> None:
    """The removed one commits and leaves its group, the added one joins its own, the third is not touched."""
    top = 'isolation = "workflow"\n'

    def configure(*names: str) -> None:
        path = scene.configure(*map(scene.workflow, names))
        path.write_text(top + path.read_text())

    configure("first", "second")
    with scene.start("--trace", "run.trace") as program:
        _deliver(scene, range(4), "/first", "/second")
        second = f"{scene.group}.second"
        wait_until(
            lambda: committed_offsets(scene.broker.bootstrap, second, scene.topic) == scene.ends(),
            "the added group is not the first one to commit on the topic",
        )
        configure("second", "third")
        program.signal(signal.SIGHUP)
        wait_until(lambda: f'group="{scene.group}.first"' not in program.metrics().text, "the removed engine has ended")
        wait_until(lambda: _is_assigned(scene, "third"), "the added engine has joined")
        _deliver(scene, range(4, 8), "/second", "/third")
        configure("first", "second", "third")
        program.signal(signal.SIGHUP)
        _deliver(scene, range(8, 10), "/first", "/second", "/third")
        metrics = program.metrics()
        assert program.stop() == 0
    assert metrics.total("tray_config_reloads_total", result="ok") == 2
    assert Counter(map(id_of, scene.receiver.arrivals("/first"))) == {f"m-{n}": 1 for n in range(10)}
    assert {id_of(a) for a in scene.receiver.arrivals("/third")} == {f"m-{n}" for n in range(4, 10)}


def _deliver(scene: Scene, numbers: range, *paths: str) -> None:
    events = [make_event(number) for number in numbers]
    scene.produce(events)
    for path in paths:
        wait_until(partial(_have_arrived, scene, path, events), f"delivery to {path}")


def _have_arrived(scene: Scene, path: str, events: list[Event]) -> bool:
    return set(ids_of(events)) <= set(map(id_of, scene.receiver.arrivals(path)))


def _has_failed(program: Program, times: int) -> bool:
    return program.metrics().total("tray_config_reloads_total", result="failed") == times


def _without_authority(scene: Scene) -> str:
    lines = scene.configure(scene.workflow("orders", ca_file="nowhere.pem"))
    return lines.read_text()


def _is_assigned(scene: Scene, workflow: str) -> bool:
    steps = [json.loads(line) for line in (scene.directory / "run.trace").read_text().splitlines()]
    return any(s["event"] == "assigned" and s["group"] == f"{scene.group}.{workflow}" for s in steps)

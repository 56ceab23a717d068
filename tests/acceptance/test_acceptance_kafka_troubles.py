"""Kafka is not as it should be: not there, without the topic, with transactions at the tail."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from acceptance_support import WAIT_S, Scene, call, call_here, ids_of, make_event, tracks
from assertions import every
from support.checker import duplicates, missing
from support.receiver import FaultReceiver
from support.topics import Broker, Given, partitions_of, produce_transaction
from support.waiting import wait_until

from stream.demo.apache_kafka import ApacheKafka

pytestmark = pytest.mark.acceptance


@pytest.fixture
def scene(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> Scene:
    """One workflow; the topic is not made yet."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    return scene


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens, while the test lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_an_unreachable_broker_is_waited_for(scene: Scene, nobody: str) -> None:
    """`run` says so and keeps trying, alive and not ready; SIGTERM ends it with 0."""
    with scene.start("--bootstrap-servers", nobody) as run:
        run.line("Kafka cannot be reached")
        assert run.get("/healthz")[0] == 200
        assert run.get("/readyz")[0] == 503
        began = time.monotonic()
        assert run.stop() == 0
        print(f"stopped in {time.monotonic() - began:.2f} s")


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_kafka_that_was_never_there_is_shown(scene: Scene, nobody: str, arguments: tuple[str, ...]) -> None:
    """Metrics say that it is away and that nothing is read, before any engine or worker runs; so does one line."""
    with scene.start("--bootstrap-servers", nobody, *arguments) as run:
        assert "Connection refused" in run.line("Kafka is unreachable: no broker answers.")
        shown = run.metrics()
        for name in ("tray_kafka_up", "tray_partitions_assigned"):
            assert f'group="{scene.group}"' in shown.text.partition(f"\n{name}{{")[2].partition("}")[0]
            assert shown.total(name, group=scene.group) == 0
        assert "tray_kafka_last_contact_timestamp_seconds{" not in shown.text
        assert run.stop() == 0


def test_a_topic_that_is_missing_is_no_outage(scene: Scene) -> None:
    """Kafka answers, and says so in the metrics; no partition is assigned."""
    with scene.start() as run:
        run.line("Not ready to start yet")
        wait_until(lambda: run.metrics().total("tray_kafka_up") == 1, "Kafka is up")
        assert run.metrics().total("tray_kafka_last_contact_timestamp_seconds") > time.time() - WAIT_S
        assert "tray_partitions_assigned{" in run.metrics().text
        assert run.metrics().total("tray_partitions_assigned") == 0
        assert run.stop() == 0
        assert "unreachable" not in run.log


def test_a_kafka_that_dies_is_told_and_shown_until_it_is_back(
    own_kafka: ApacheKafka, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """Three lines at most in the first seconds, then silence; afterwards how long it was away, and all is read on."""
    scene = Scene(own_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    own_kafka.create_topic(topic_name, 3)
    with scene.start() as run:
        run.line("Partitions assigned.")
        wait_until(lambda: run.metrics().total("tray_kafka_up") == 1, "Kafka is up")
        assert run.metrics().total("tray_partitions_assigned") == 3
        before = len(run.log.splitlines())
        own_kafka.kill()
        run.line("Kafka is unreachable: no broker answers.")
        assert run.metrics().total("tray_kafka_up") == 0
        wait_until(lambda: run.metrics().total("tray_partitions_assigned") == 0, "the partitions are lost")
        told = run.log.splitlines()[before:]
        assert sum("The Kafka client reports." in line for line in told) <= 3, "\n".join(told)
        assert run.get("/healthz")[0] == 200
        assert run.get("/readyz")[0] == 200
        own_kafka.restart()
        run.line("Kafka answers again; away for ")
        scene.produce(tracks(range(9)))
        assert receiver.wait_for_count("/orders", 9)
        wait_until(lambda: run.metrics().total("tray_partitions_assigned") == 3, "the partitions are back")
        assert run.metrics().total("tray_kafka_up") == 1
        assert run.stop() == 0


def test_check_tells_that_the_broker_is_unreachable(scene: Scene, nobody: str) -> None:
    """Exit 1 at last, and the address is named."""
    ended = call_here(scene.directory, "check", "--bootstrap-servers", nobody)
    assert ended.returncode == 1
    assert f"Kafka at {nobody}" in ended.stdout
    assert "cannot be reached" in ended.stdout


def test_a_missing_topic_is_waited_for(scene: Scene) -> None:
    """`run` warns, and goes on once the topic is created; the dead-letter topic gets as many partitions."""
    with scene.start() as run:
        run.line(f'warning Not ready to start yet; trying again. error="No topic {scene.topic} on this cluster yet."')
        scene.broker.create_topic(scene.topic, 3)
        scene.produce(tracks(range(30)))
        assert scene.receiver.wait_for_count("/orders", 30)
        assert run.stop() == 0
    assert scene.committed() == scene.ends()
    assert partitions_of(scene.broker.bootstrap, scene.dead_letters) == [0, 1, 2]


def test_a_missing_topic_has_no_end(scene: Scene) -> None:
    """`run --until-end` exits 1 and names it, and `check` finds it."""
    ended = call(scene.directory, "run", "--until-end")
    assert ended.returncode == 1
    assert f"no topic {scene.topic} on this cluster" in ended.stderr
    assert "Traceback" not in ended.stderr
    checked = call_here(scene.directory, "check", "--json")
    assert checked.returncode == 1
    findings = {finding["what"]: finding for finding in json.loads(checked.stdout)["findings"]}
    assert findings[f"topic {scene.topic}"]["verdict"] == "failed"
    assert "Create it" in findings[f"topic {scene.topic}"]["detail"]


def test_check_is_content(scene: Scene) -> None:
    """With all in place each finding is ok, and `--probe` reaches the workflow without sending it anything."""
    scene.broker.create_topic(scene.topic, 2)
    checked = call_here(scene.directory, "check", "--probe", "--json")
    assert checked.returncode == 0
    assert {finding["verdict"] for finding in json.loads(checked.stdout)["findings"]} == {"ok"}
    wait_until(lambda: scene.receiver.connections_opened, "the receiver has accepted the probe")
    assert scene.receiver.connections_opened == 1
    assert scene.receiver.count() == 0


def fill_with_transactions(scene: Scene) -> None:
    """Partition 0 ends in the marker of a commit, partition 1 in an aborted transaction."""
    scene.broker.create_topic(scene.topic, 2)
    bootstrap, name = scene.broker.bootstrap, scene.topic
    kept = [make_event(n) for n in range(4)]
    committed: list[Given] = [(None, orjson.dumps(event), n % 2, None) for n, event in enumerate(kept)]
    aborted: list[Given] = [(None, orjson.dumps(make_event(n)), 1, None) for n in range(100, 103)]
    produce_transaction(bootstrap, name, committed, name)
    produce_transaction(bootstrap, name, aborted, name, commit=False)
    assert scene.ends() == {0: 3, 1: 7}


def check_transactions(scene: Scene) -> None:
    """What was committed arrived once, what was aborted never, and nothing is left."""
    arrivals = scene.receiver.arrivals("/orders")
    assert not missing(ids_of(tracks(range(4))), arrivals)
    assert not duplicates(arrivals)
    assert len(arrivals) == 4
    assert scene.committed() == scene.ends()


def test_until_end_passes_transaction_markers(scene: Scene) -> None:
    """The end counts what no reader gets: markers, and aborted records."""
    fill_with_transactions(scene)
    with scene.start("--until-end") as run:
        assert run.wait() == 0
    check_transactions(scene)


def test_lag_reaches_zero_past_transaction_markers(scene: Scene) -> None:
    """A running processor commits the end and shows no lag."""
    fill_with_transactions(scene)
    with scene.start() as run:
        run.line("Partitions assigned.")
        wait_until(lambda: run.metrics().total("tray_committed_offset") == 10, "committed to the end")
        wait_until(lambda: "tray_consumer_lag{" in run.metrics().text, "the lag is known")
        wait_until(lambda: run.metrics().total("tray_consumer_lag") == 0, "no lag")
        assert run.stop() == 0
    check_transactions(scene)


def test_the_quick_start_needs_no_file(scene: Scene) -> None:
    """Brokers, a topic and a URL in the environment are enough; the workflow's name follows from its URL."""
    scene.broker.create_topic(scene.topic)
    scene.produce(tracks(range(5)))
    (scene.directory / "stream.toml").unlink()
    env = {
        "TRAY_KAFKA__BOOTSTRAP_SERVERS": scene.broker.bootstrap,
        "TRAY_KAFKA__TOPICS": scene.topic,
        "TRAY_KAFKA__GROUP_ID": scene.group,
        "TRAY_HTTP__LISTEN": "127.0.0.1:0",
        "TRAY_WORKFLOW_URLS": f"{scene.receiver.url('/one')},{scene.receiver.url('/two')}",
        "TRAY_SHARED_SECRET": "quick",
    }
    ended = call(scene.directory, "run", "--until-end", env=env)
    assert ended.returncode == 0, ended.stderr
    for path in ("/one", "/two"):
        assert not missing(ids_of(tracks(range(5))), scene.receiver.arrivals(path))
        assert every("x-signature" in arrival.headers for arrival in scene.receiver.arrivals(path))
    assert scene.committed() == scene.ends()
    assert "/one" not in ended.stderr

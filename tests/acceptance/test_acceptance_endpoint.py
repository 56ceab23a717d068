"""What Prometheus and probes see: /metrics, /healthz, /readyz."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from acceptance_support import Metrics, Program, Scene, call, make_event
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until

from stream.demo.behaviours import slow

pytestmark = pytest.mark.acceptance

EVENTS = 4000


def check_with_promtool(text: str) -> None:
    """`promtool check metrics` has nothing to say. Without promtool: a failure in CI, else a skip."""
    if shutil.which("promtool") is None:
        assert os.environ.get("CI") != "true", "promtool must be there in CI"
        pytest.skip("PROMTOOL IS NOT INSTALLED: the metrics were not checked with it")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=30
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def is_settled(run: Program) -> bool:
    """Whether all is settled, committed and told."""
    metrics = run.metrics()
    settled = metrics.total("tray_events_settled_total")
    return settled == EVENTS == metrics.total("tray_committed_offset") and metrics.total("tray_consumer_lag") == 0


def test_metrics_while_running_and_at_the_end(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """promtool finds no fault, and in each scrape received = settled + open."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 4)
    workflows = scene.workflow("orders", types=["track"]), scene.workflow("pages", types=["page"])
    scene.configure(*workflows, dead_letter={"max_consecutive": EVENTS})
    scene.produce(make_event(n, "track" if n % 2 else "page") for n in range(EVENTS))
    receiver.script("/orders", slow(0.005))
    receiver.script("/pages", 400)
    scrapes: list[Metrics] = []
    with scene.start() as run:
        wait_until(lambda: run.metrics().received > 0, "events are received")
        while not is_settled(run):
            scrapes.append(run.metrics())
        last = run.metrics()
        assert run.stop() == 0

    running = [scrape for scrape in scrapes if scrape.total("tray_open_events")]
    assert len(running) > 5
    assert [(s.received, s.accounted_for) for s in scrapes if s.received != s.accounted_for] == []
    check_with_promtool(running[0].text)
    check_with_promtool(last.text)
    assert last.received == EVENTS
    assert last.by("tray_events_settled_total", "settlement") == {"delivered": EVENTS / 2, "dead_lettered": EVENTS / 2}
    assert last.by("tray_deliveries_total", "outcome") == {"delivered": EVENTS / 2, "rejected": EVENTS / 2}
    assert last.total("tray_dead_letter_writes_total", result="ok") == EVENTS / 2
    assert last.total("tray_attempts_total", workflow="pages", code="400") == EVENTS / 2
    assert last.total("tray_open_events") == last.total("tray_open_bytes") == 0


def test_ready_once_joined(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> None:
    """/healthz is 200 from the start, /readyz 503 until the group is joined; HEAD answers as GET, without a body."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    scene.configure(scene.workflow("orders"))
    with scene.start() as run:
        run.line(topic_name + " ")  # the topic does not exist yet: no group to be a member of
        assert run.get("/healthz") == (200, "ok\n")
        assert run.get("/readyz") == (503, "No consumer group joined yet.\n")
        apache_kafka.create_topic(topic_name)
        wait_until(lambda: run.get("/readyz") == (200, "ok\n"), "ready")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert run.get(path, "HEAD") == (200, "")
        assert run.get("/elsewhere")[0] == 404
        assert run.stop() == 0


def test_a_port_in_use_is_named(apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path) -> None:
    """The run does not start: exit 2, and the text names the port."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        scene.configure(scene.workflow("orders"), http={"listen": f"127.0.0.1:{port}"})
        ended = call(tmp_path, "run")
    assert ended.returncode == 2
    assert f"http.listen: port {port} is already in use." in ended.stderr

"""README is short, and its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from assertions import every
from pages import DOCS, ROOT, marked
from support.receiver import FaultReceiver
from support.topics import Broker, create_topic, produce_events

from stream.settings import load_settings

README = ROOT / "README.md"


def test_it_is_short_and_has_the_words_people_search_for() -> None:
    """150 lines, with the field's terms at the top."""
    lines = README.read_text().splitlines()
    assert len(lines) <= 150
    top = " ".join(lines[:15])
    terms = "at-least-once", "per-user ordering", "dead-letter topic", "circuit breaker", "backpressure", "replay"
    assert every(term in top for term in terms)


def test_the_quick_start_delivers(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """The five-minute commands, as printed but for the addresses, deliver an event that is on the topic."""
    create_topic(apache_kafka.bootstrap, topic_name, 2)
    produce_events(apache_kafka.bootstrap, topic_name, [(b"u", b'{"type":"identify","userId":"u"}', None, None)])
    commands = (
        marked(README, "executed")
        .replace("localhost:9092", apache_kafka.bootstrap)
        .replace("segment-events", topic_name)
        .replace("https://507f1352.trayapp.io", receiver.url("/workflow"))
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    env = {**kept, "PATH": path, "TRAY_HTTP__LISTEN": "127.0.0.1:0", "TRAY_KAFKA__GROUP_ID": topic_name}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered=1 filtered=0 dead_letters=0" in done.stderr
    (arrival,) = receiver.arrivals("/workflow")
    assert arrival.body == b'{"type":"identify","userId":"u"}'
    assert len(arrival.headers["x-signature"]) == 40


def test_the_quickstart_page_has_the_same_commands() -> None:
    """Executed in README, repeated on the site."""
    assert marked(DOCS / "start/quickstart.md", "executed") == marked(README, "executed")


def test_the_settings_file_can_be_loaded(tmp_path: Path) -> None:
    """The example is a valid settings file of a dozen lines."""
    text = marked(README, "settings")
    assert len(text.splitlines()) <= 12
    path = tmp_path / "stream.toml"
    path.write_text(text)
    found = load_settings(path, {"ORDERS_WORKFLOW_URL": "https://hooks.example.com/orders"}, {}).settings.workflows
    assert [(workflow.name, workflow.events) for workflow in found] == [("orders", ("Order *",))]


def test_its_figures_are_those_of_the_measurements() -> None:
    """The section on speed quotes the page on performance."""
    speed = README.read_text().partition("## Speed\n")[2].partition("\n## ")[0]
    measured = (DOCS / "about/performance.md").read_text()
    figures = re.findall(r"(?<![\d-])\d[\d,]*\.?\d*(?= events/s| ms| MiB| of a loop)", speed)
    assert len(figures) >= 3
    assert every(figure in measured for figure in figures)

"""`top`: a run watched from outside, in a script, in a pipe and on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance_support import ENTRY, Program, Scene, call_here, environment, make_event
from assertions import HANG_S
from support.receiver import FaultReceiver
from support.topics import Broker
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

EVENTS = 40


@pytest.fixture
def watched(
    apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> Iterator[tuple[Scene, Program]]:
    """A run of two workflows, one of which is down."""
    scene = Scene(apache_kafka, topic_name, receiver, tmp_path)
    apache_kafka.create_topic(topic_name, 2)
    scene.configure(scene.workflow("orders"), scene.workflow("down"))
    receiver.script("/down", 503)
    scene.produce(make_event(n) for n in range(EVENTS))
    with scene.start() as run:
        wait_until(lambda: run.metrics().total("tray_gate_open", workflow="down") == 0, "the gate is closed")
        yield scene, run
        assert run.stop() == 0


def test_once(watched: tuple[Scene, Program]) -> None:
    """As JSON for scripts, and as plain lines in a pipe; both end by themselves."""
    scene, run = watched
    url = f"127.0.0.1:{run.port}"
    looked = call_here(scene.directory, "top", "--url", url, "--once", "--json", "--interval", "200ms")
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert found["url"] == f"http://{url}/status.json"
    orders, down = found["workflows"]
    assert (orders["workflow"], orders["delivered"], orders["gates_closed"]) == ("orders", EVENTS, 0)
    assert orders["delivered_per_s"] is not None
    assert 0 < orders["p50_s"] <= orders["p99_s"]
    assert (down["workflow"], down["gates_closed"], down["delivered"]) == ("down", 1, 0)
    assert down["gate_closed_since"] < down["gate_closed_until"]
    assert down["oldest_open_at"] is not None
    assert (down["state"], down["because"]) == ("failing", "it answers 503 Service Unavailable")
    assert {(one["topic"], one["partition"]) for one in found["partitions"]} <= {(scene.topic, 0), (scene.topic, 1)}
    plain = call_here(scene.directory, "top", "--url", url, "--once", "--interval", "0.1")
    assert plain.returncode == 0
    assert re.search(r"^orders +\S+ ", plain.stdout, re.MULTILINE)
    assert "shut " in plain.stdout
    assert "\x1b" not in plain.stdout


def test_on_a_terminal(watched: tuple[Scene, Program]) -> None:
    """It draws within the terminal's size until Ctrl-C, then leaves the terminal as it was; exit 0."""
    scene, run = watched
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [*ENTRY, "top", "--url", f"127.0.0.1:{run.port}", "--interval", "200ms"]
    env = environment({"TERM": "xterm-256color"})
    with subprocess.Popen(command, cwd=scene.directory, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as shown:
        os.close(theirs)
        text = _until(ours, "delivered ")
        assert "\x1b[?1049h" in text
        shown.send_signal(signal.SIGINT)
        assert "\x1b[?1049l" in _until(ours, "\x1b[?1049l")
        assert shown.wait(20) == 0
    os.close(ours)


def _until(terminal: int, wanted: str) -> str:
    """What comes from the terminal, until it holds `wanted`."""
    text, deadline = "", time.monotonic() + HANG_S
    while wanted not in text:
        assert select.select([terminal], [], [], HANG_S)[0], text
        assert time.monotonic() < deadline, text
        text += os.read(terminal, 65536).decode("utf-8", "replace")
    return text


def test_nobody_there(tmp_path: Path) -> None:
    """Exit 1 with one line; the address comes from the settings, whose secrets need not be known."""
    settings = '[http]\nlisten = "0.0.0.0:1"\n[kafka]\ntopics = ["t"]\n[[workflow]]\nurl = "${env:NOT_SET_HERE}"\n'
    (tmp_path / "stream.toml").write_text(settings)
    looked = call_here(tmp_path, "top", "--once")
    assert (looked.returncode, looked.stdout) == (1, "")
    assert looked.stderr == (
        "Error: http://127.0.0.1:1/status.json gives no status: connection refused. "
        "Is tray-stream running there? --url names another.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--interval", "soon"), "--interval: soon is not a time between two looks."),
        (("--url", "ftp://x"), "--url: ftp://x is not an address."),
    ],
)
def test_usage(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """Exit 2 with the fix."""
    looked = call_here(tmp_path, "top", *arguments)
    assert looked.returncode == 2
    assert told in looked.stderr

"""`demo`: the main job without anything installed."""

from __future__ import annotations

import re
import signal
import socket
import time
import urllib.request
from pathlib import Path

import pytest
from acceptance_support import Program, call
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance


def test_the_demo_ends_by_itself(tmp_path: Path) -> None:
    """Exit 0 in under 30 s; in a pipe the tables are plain text, each row on one line, and no progress is shown."""
    began = time.monotonic()
    ended = call(tmp_path, "demo")
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 30
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""
    rows = [
        " ".join(line.strip("┃│").replace("┃", " ").replace("│", " ").split()) for line in ended.stdout.splitlines()
    ]
    assert "received delivered filtered dead-lettered avoided abandoned open" in rows
    assert "workflow delivered attempts retried dead-lettered filtered by reason" in rows
    assert "partition committed end" in rows
    assert any(row.startswith("orders ") for row in rows)
    assert ended.stdout.endswith("Every event is accounted for and every offset is committed.\n")
    assert list(tmp_path.iterdir()) == []


def test_the_demo_stays_up_beside_another_program(tmp_path: Path) -> None:
    """Where the usual port is taken it takes a free one, and says which; a named one that is taken is refused."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 9464))
            taken.listen()
        except OSError:
            pass  # another program has it, which serves as well
        with Program(tmp_path, "demo", "--keep") as demo:
            found = re.search(r"tray-stream top --url 127\.0\.0\.1:(\d+)", demo.line("tray-stream top --url"))
            assert found is not None
            port = int(found[1])
            assert port != 9464
            assert f"Status page: http://127.0.0.1:{port}/," in demo.log
            wait_until(lambda: _answers(port), "its metrics are served")
            assert _page(port).startswith("<!doctype html>")
            refused = call(tmp_path, "demo", "--keep", "--listen", f"127.0.0.1:{port}")
            assert (refused.returncode, refused.stderr) == (
                2,
                f"Error: --listen: 127.0.0.1:{port} cannot be listened on. Name another port.\n",
            )
            demo.signal(signal.SIGTERM)
            assert demo.wait() == 0


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        found: str = answer.read().decode()
        return found


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return b"tray_build_info" in answer.read()
    except OSError:
        return False

"""Processes that are started for tests and the demo end when they should, and say why they did not start."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from assertions import HANG_S

from stream.demo.child import Child, ChildError, free_port, wait_until_it
from stream.demo.grafana import Grafana, grafana_program
from stream.demo.prometheus import MissingPrometheusError, Prometheus, QueryError, prometheus_program

SHIPPED = Path(__file__).resolve().parents[2] / "grafana"
POLL_S = 0.02
SLEEPING = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
ENDING = [sys.executable, "-c", "import sys; sys.exit('the reason why')"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()",
]
LISTENING = "import signal, socket; s = socket.create_server(('127.0.0.1', {port})); c = s.accept(); signal.pause()"
HOLDING = """
import sys
from pathlib import Path
from stream.demo.child import Child
child = Child([sys.executable, "-c", sys.argv[1]], Path("log"))
print("held", flush=True)
sys.stdin.read()
"""
STAND_IN = """#!{python}
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
print(sys.argv[1:], os.environ["GF_PATHS_PROVISIONING"], flush=True)
HTTPServer((os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])), Health).serve_forever()
"""


def is_up(child: Child) -> bool:
    """Whether it has said so."""
    return "up" in child.log


def test_a_child_is_stopped_and_its_exit_code_told(tmp_path: Path) -> None:
    """SIGTERM ends it; one that does not listen is killed."""
    with Child(SLEEPING, tmp_path / "log") as child:
        wait_until_it(lambda: is_up(child), child, "The child")
        assert child.stop() == -15
        assert not child.is_running
    with Child(DEAF, tmp_path / "deaf") as child:
        wait_until_it(lambda: is_up(child), child, "The child")
        assert child.stop(timeout_s=0.2) == -9


def test_a_child_that_ends_says_why(tmp_path: Path) -> None:
    """The error has the end of its log."""
    with Child(ENDING, tmp_path / "log") as child, pytest.raises(ChildError, match="the reason why"):
        wait_until_it(lambda: False, child, "The child")


def test_a_child_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """The time is limited."""
    with Child(SLEEPING, tmp_path / "log") as child, pytest.raises(ChildError, match="does not answer"):
        wait_until_it(lambda: False, child, "The child", timeout_s=0.1)


def test_a_child_ends_with_a_killed_interpreter(tmp_path: Path) -> None:
    """Nothing is left behind, however a test run ends."""
    port = free_port()
    command = [sys.executable, "-c", HOLDING, LISTENING.format(port=port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe) as holder, connected(port) as connection:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


def test_prometheus_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that it refuses, a query that it does not understand, and that it is not there."""
    if prometheus_program() is None:
        pytest.skip("Prometheus is not installed")
    config = tmp_path / "prometheus.yml"
    config.write_text("no such setting: 1\n")
    with pytest.raises(ChildError, match="no such setting"):
        Prometheus(tmp_path, config)
    config.write_text("global: {scrape_interval: 1s}\n")
    with Prometheus(tmp_path, config) as prometheus:
        assert prometheus.value("1 + 1") == 2
        assert prometheus.value("up") is None
        with pytest.raises(QueryError, match=r"parse error.*\(sum\(\)"):
            prometheus.query("sum(")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPrometheusError, match="apt-get install prometheus"):
        Prometheus(tmp_path, config)


def test_grafana_is_given_our_data_source_and_dashboards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the program gets the arguments, the settings and the files that Grafana would."""
    program, scratch = tmp_path / "grafana-12" / "bin" / "grafana", tmp_path / "scratch"
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    scratch.mkdir()
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    assert grafana_program() == str(program)
    with Grafana(str(program), scratch, SHIPPED, "http://127.0.0.1:1234") as grafana:
        assert grafana.url.startswith("http://127.0.0.1:")
    source = (scratch / "provisioning/datasources/prometheus.yaml").read_text()
    provider = (scratch / "provisioning/dashboards/tray-stream.yaml").read_text()
    assert "url: http://127.0.0.1:1234\n" in source
    assert f"path: {SHIPPED}/dashboards\n" in provider
    seen = (scratch / "grafana.log").read_text().splitlines()[0]
    assert seen == f"['server', '--homepath', '{program.parents[1]}'] {scratch}/provisioning"


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A connection to the port, once somebody listens there."""
    deadline = time.monotonic() + HANG_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=HANG_S)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(POLL_S)  # a short wait, then it is tried again
        else:
            with connection:
                yield connection
            return

"""A process without file descriptors: probes are still answered, and the log says what to raise."""

from __future__ import annotations

import resource
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest

from stream.runtime.resources import needed_descriptors, raise_descriptor_limit
from stream.settings.load import load_settings

EXHAUSTED = """
import os, resource, sys
from stream.runtime.resources import warn_of_descriptors
from stream.telemetry.clock import SystemClock
from stream.telemetry.server import TelemetryServer

class Exposed:
    def metrics(self): return b"m 1.0\\n"
    def health_fault(self): return ""
    def readiness_fault(self): return ""

class Journal:
    def info(self, sentence, /, **fields): os.write(2, f"{sentence}\\n".encode())
    warning = error = info

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
server = TelemetryServer("127.0.0.1:0", Exposed(), SystemClock(), Journal())
server.start()
try:
    while True:
        os.open(os.devnull, os.O_RDONLY)
except OSError:
    warn_of_descriptors(Journal())
print(server.port, flush=True)
sys.stdin.read()
"""


def test_probes_are_answered_without_descriptors() -> None:
    """One after the other, with the descriptor that is held back."""
    with subprocess.Popen(
        [sys.executable, "-c", EXHAUSTED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        for _ in range(5):
            for path, body in (("healthz", b"ok\n"), ("metrics", b"m 1.0\n")):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
                    assert answer.read() == body
        said = process.communicate("", timeout=60)[1]
    assert "The process has nearly no file descriptors left" in said
    assert "The process has no file descriptors left. Raise its limit" in said


class Lines:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, object]]] = []

    def info(self, sentence: str, /, **fields: object) -> None:
        self.written.append((sentence, fields))

    warning = error = info


@pytest.fixture
def _limits() -> Iterator[None]:
    """The limits of this process, as they were, afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_limits")
def test_the_soft_limit_is_raised() -> None:
    """Towards the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    environ = {"TRAY_WORKFLOW_URLS": "https://hooks.example.com/1", "TRAY_KAFKA__TOPICS": "events"}
    settings = load_settings(None, environ, {}).settings
    logger = Lines()
    raise_descriptor_limit(settings, logger)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= needed_descriptors(settings):
        assert logger.written == []


def test_settings_that_need_more_than_is_allowed_are_warned_of() -> None:
    """With both numbers; the process starts all the same."""
    script = """
import resource
from stream.runtime.resources import raise_descriptor_limit
from stream.settings.load import load_settings
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
class Journal:
    def info(self, sentence, /, **fields): print(sentence, fields)
    warning = error = info
environ = {"TRAY_WORKFLOW_URLS": "https://hooks.example.com/1", "TRAY_KAFKA__TOPICS": "events"}
raise_descriptor_limit(load_settings(None, environ, {}).settings, Journal())
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "may need more file descriptors" in said
    assert "'limit': 128, 'needed': " in said

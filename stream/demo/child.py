"""Processes that tests and the demo start: each ends with the object that holds it, or with this interpreter."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from stream.model.errors import StreamError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 60.0
POLL_S = 0.05
LOG_TAIL = 3000


class ChildError(StreamError):
    """A process that was started did not become what it should; the end of its log says why."""


class Child:
    """One process, started at once; what it writes goes to `log_file`.

    Ctrl-C at a terminal does not reach it: its owner decides when it ends.
    """

    def __init__(
        self, command: Sequence[str], log_file: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.log_file = log_file
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._guard: subprocess.Popen[bytes] | None = guard(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process id; it leads its own process group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative the signal that ended it; None while it runs."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """The end of what it has written."""
        return self.log_file.read_text(errors="replace")[-LOG_TAIL:]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self._process.send_signal(number)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and SIGKILL if it takes longer than `timeout_s`; its exit code."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self.close()
        return self._process.returncode

    def close(self) -> None:
        """End it at once, and whatever it has started. May be called again."""
        if self._guard is not None:  # first, so that it cannot hit another process with the same id
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
            if self.is_running:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def guard(group: int) -> subprocess.Popen[bytes]:
    """A shell that kills a process group as soon as this interpreter is gone, however it went."""
    script = 'read -r _; kill -KILL -"$1"'
    return subprocess.Popen(["sh", "-c", script, "guard", str(group)], stdin=subprocess.PIPE, start_new_session=True)


def wait_until_it(answers: Callable[[], bool], child: Child, what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Return once `answers` holds.

    Raises:
        ChildError: it ended instead, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while not answers():
        if not child.is_running:
            raise ChildError(f"{what} ended while it started.\n{child.log}")
        if time.monotonic() > deadline:
            raise ChildError(f"{what} does not answer.\n{child.log}")
        time.sleep(POLL_S)


class HttpChild:
    """A program that serves HTTP on `port` of the loopback, from construction until `close`.

    It has started when `ready_path` answers with 200.

    Raises:
        ChildError: it did not start.
    """

    def __init__(
        self,
        name: str,
        port: int,
        command: Sequence[str],
        log_file: Path,
        ready_path: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._ready_path = ready_path
        self._child = Child(command, log_file, env=env)
        try:
            wait_until_it(self._is_ready, self._child, name)
        except BaseException:  # an interrupt must not leave a half started one behind either
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End it at once; its files stay. May be called again."""
        self._child.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        try:
            return self.get(self._ready_path)[0] == http.HTTPStatus.OK
        except OSError:
            return False


def free_port() -> int:
    """A port of the loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

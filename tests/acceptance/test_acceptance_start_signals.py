"""Signals that come while the program starts, also when it is process 1 as in a container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from acceptance_support import as_toml
from support.waiting import wait_until

pytestmark = pytest.mark.acceptance

MOMENTS_S = (0.0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.5, 1.0)
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child", "--map-root-user")
SELF = (sys.executable, "-m", "stream")


def can_be_process_1() -> bool:
    """Whether this machine lets us have a process namespace."""
    try:
        return subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


LAYERS = [
    pytest.param((), id="process"),
    pytest.param(
        AS_PROCESS_1,
        id="process-1",
        marks=pytest.mark.skipif(not can_be_process_1(), reason="unshare(1) may not make a process namespace here"),
    ),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With settings whose Kafka does not answer."""
    kafka = {"bootstrap_servers": "127.0.0.1:1", "topics": ["events"], "group_id": "g"}
    workflow = {"name": "orders", "url": "http://127.0.0.1:1/orders"}
    text = as_toml({"kafka": kafka, "http": {"listen": "127.0.0.1:0"}}, [workflow])
    (tmp_path / "stream.toml").write_text(text)
    return tmp_path


@contextmanager
def started(directory: Path, layer: tuple[str, ...], *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """(what was started, process id of the program itself)."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([*layer, *SELF, *arguments], cwd=directory, stdout=log, stderr=log)
    try:
        if layer:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            wait_until(lambda: bool(children.read_text()), "it is started")
            yield process, int(children.read_text().split()[0])
        else:
            yield process, process.pid
    finally:
        process.kill()
        process.wait()


def has_handlers(pid: int) -> bool:
    """Whether the process handles signals itself; SIGTERM's handler is the last."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one", "workers"])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_any_moment_of_the_start(
    directory: Path, layer: tuple[str, ...], number: signal.Signals, more: tuple[str, ...]
) -> None:
    """Nothing has begun, so it ends with 0; from the first handler on, in the imports, and while Kafka is asked."""
    for moment_s in MOMENTS_S:
        with started(directory, layer, "run", *more) as (process, pid):
            wait_until(partial(has_handlers, pid), "it has a handler")
            time.sleep(moment_s)  # the moment is what is tested
            os.kill(pid, number)
            assert process.wait(60) == 0, f"after {moment_s} s: {(directory / 'log').read_text()}"
    assert "Traceback" not in (directory / "log").read_text()


def test_a_reload_at_any_moment_of_the_start(directory: Path) -> None:
    """It is no reason to end: the settings are read once more where they had been read."""
    for moment_s in MOMENTS_S[::2]:
        with started(directory, (), "run") as (process, pid):
            wait_until(partial(has_handlers, pid), "it has a handler")
            time.sleep(moment_s)
            os.kill(pid, signal.SIGHUP)
            wait_until((directory / "log").exists, "it is running")
            os.kill(pid, signal.SIGTERM)
            assert process.wait(60) == 0


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_other_commands_end_at_once_as_process_1(directory: Path, layer: tuple[str, ...]) -> None:
    """The kernel gives process 1 no default for SIGTERM."""
    with ExitStack() as stack:
        for arguments in (["check"], ["offsets", "show"]):
            process, pid = stack.enter_context(started(directory, layer, *arguments))
            wait_until(partial(has_handlers, pid), "it has a handler")
            os.kill(pid, signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM


def test_what_is_asked_often_loads_little() -> None:
    """A health check and the version need neither the settings' library nor Kafka's."""
    for arguments in (["--version"], ["--help"], ["healthcheck"]):
        command = [sys.executable, "-X", "importtime", "-m", "stream", *arguments]
        loaded = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        names = {line.rpartition("|")[2].strip() for line in loaded.splitlines()}
        assert not names & {"pydantic", "confluent_kafka", "asyncio", "uvloop", "httpx"}, arguments
        if arguments == ["healthcheck"]:
            assert "typer" not in names

"""The image in a real container: built from the Dockerfile, started, asked for its health, stopped at any moment."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assertions import every
from deploy_container import IMAGE, Engine, build_image, find_engine
from deploy_image import free_port
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events
from support.waiting import wait_until

WITHOUT_BYTECODE = """
import importlib.util, pathlib, sys
files = [file for folder in sys.path if pathlib.Path(folder).is_dir() for file in pathlib.Path(folder).rglob("*.py")]
print(len(files))
print(*(file for file in files if not pathlib.Path(importlib.util.cache_from_source(file)).exists()), sep="\\n")
"""
LEAVE_AN_ORPHAN = "import os; os.fork() or os.fork() or os._exit(0)"
STATES = "import pathlib; print(*(p.read_text().split()[2] for p in pathlib.Path('/proc').glob('[0-9]*/stat')))"


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A container runtime that has the image."""
    found = find_engine()
    build_image(found)
    return found


def logs(engine: Engine, container: str) -> str:
    """All that it has printed."""
    done = engine.attempt("logs", container)
    return done.stdout.decode() + done.stderr.decode()


def python(engine: Engine, program: str) -> list[str]:
    """The lines that a program of Python's prints in the image."""
    return engine.run("run", "--rm", "--entrypoint", "python3", IMAGE, "-c", program).splitlines()


def test_it_says_what_it_is(engine: Engine) -> None:
    """The arguments of a release are labels; the process is a numeric user; the health check is ours."""
    facts: dict[str, Any] = engine.inspect(IMAGE)
    config = facts["Config"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert labels["org.opencontainers.image.revision"] == "abcdef"
    assert labels["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "tray-stream", "healthcheck"]


def test_nothing_is_compiled_at_a_start(engine: Engine) -> None:
    """The standard library and every package have their bytecode, since a read-only image can never write it."""
    count, *missing = python(engine, WITHOUT_BYTECODE)
    assert int(count) > 1000
    assert [line for line in missing if line] == []


def test_its_hot_path_is_compiled(engine: Engine) -> None:
    """What an event passes through is machine code."""
    (module,) = python(engine, "import stream.http.sender as sender; print(sender.__file__)")
    assert not module.endswith(".py")


def test_what_built_it_stayed_behind(engine: Engine) -> None:
    """Neither uv nor the build backend nor a compiler nor a test is in the image."""
    found = python(engine, "import importlib.metadata as m; print(*(d.name for d in m.distributions()), sep='\\n')")
    assert "tray-stream" in found
    assert {"uv", "hatchling", "hatch-mypyc", "mypy", "pytest"} & set(found) == set()


def test_it_delivers_is_healthy_and_stops(
    engine: Engine, apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """Read-only, at a quarter of a core, with the address of the mounted file: it delivers, is healthy, ends with 0."""
    apache_kafka.create_topic(topic_name, 1)
    produce_events(apache_kafka.bootstrap, topic_name, [(b"u", b'{"type":"identify","userId":"u"}', None, None)])
    (tmp_path / "stream.toml").write_text(f'http.listen = "127.0.0.1:{free_port()}"\n')
    tmp_path.chmod(0o755)
    env = {
        "TRAY_KAFKA__BOOTSTRAP_SERVERS": apache_kafka.bootstrap,
        "TRAY_KAFKA__TOPICS": topic_name,
        "TRAY_WORKFLOW_URLS": receiver.url("/workflow"),
    }
    options = ("--read-only", "--cap-drop", "ALL", "--cpus", "0.25", "--health-interval", "1s")
    mount = ("--volume", f"{tmp_path}:/etc/tray-stream:ro")
    with engine.container(*options, *mount, env=env) as made:
        state: Callable[[], dict[str, Any]] = lambda: engine.inspect(made)["State"]  # type: ignore[assignment,return-value]  # noqa: E731
        wait_until(lambda: receiver.wait_for_count("/workflow", 1, timeout=0), lambda: logs(engine, made))
        wait_until(lambda: state()["Health"]["Status"] == "healthy", lambda: json.dumps(state()))
        engine.run("kill", "--signal", "TERM", made)
        assert engine.run("wait", made).strip() == "0", logs(engine, made)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_sigterm_is_never_dropped(engine: Engine, delay_s: float) -> None:
    """Sent as early as can be, also while the interpreter starts: process 1 ends, by the signal or in order."""
    env = {"TRAY_KAFKA__TOPICS": "t", "TRAY_WORKFLOW_URLS": "http://127.0.0.1:9/w", "TRAY_HTTP__LISTEN": "127.0.0.1:0"}
    with engine.container(env=env) as made:
        time.sleep(delay_s)  # the moment of the signal is what is varied
        engine.run("kill", "--signal", "TERM", made)
        assert engine.run("wait", made).strip() in {"0", "143"}, logs(engine, made)


def test_orphans_are_reaped(engine: Engine) -> None:
    """A process whose parent is gone leaves no zombie behind."""
    with engine.container("--entrypoint", "tini", env={}, command=("-s", "--", "sleep", "60")) as made:
        for _ in range(3):
            engine.run("exec", made, "python3", "-c", LEAVE_AN_ORPHAN)
        states: Callable[[], list[str]] = lambda: engine.run("exec", made, "python3", "-c", STATES).split()  # noqa: E731
        wait_until(lambda: every(state != "Z" for state in states()), states)

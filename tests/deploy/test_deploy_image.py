"""The image: what its Dockerfile says, and the same build run here without a container."""

from __future__ import annotations

import re
import shlex
import signal
import tomllib
from pathlib import Path

import pytest
from assertions import every
from deploy_image import ARGUMENTS, BUILD, FINAL, UV, call, copied_sources, free_port, start
from deploy_tools import ROOT
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events

from stream.demo.behaviours import always
from stream.model.errors import ConfigError
from stream.run.healthcheck import address, health_fault, listen


def test_two_stages_on_one_python() -> None:
    """The environment is built and run on the same image, and the tool that built it stays behind."""
    assert BUILD.image == FINAL.image == ARGUMENTS["PYTHON_IMAGE"]
    assert [copy for copy in FINAL.all("COPY") if not copy.startswith("--from=build")] == []
    assert FINAL.all("RUN") == []
    made = re.match(r"uv==(\S+)", (ROOT / ".ci/uv.txt").read_text())
    assert made is not None
    assert UV.image.endswith(f"/uv:{made[1]}")


def test_the_process_is_nobody_special_and_needs_no_shell() -> None:
    """A numeric user other than root, exec form, an orderly stop, health asked by our own command."""
    user, _, group = FINAL.last("USER").partition(":")
    assert (int(user) > 0, int(group) > 0) == (True, True)
    assert FINAL.command("ENTRYPOINT") + FINAL.command("CMD") == ["tray-stream", "run"]
    assert FINAL.last("STOPSIGNAL") == "SIGTERM"
    assert FINAL.command("HEALTHCHECK") == ["tray-stream", "healthcheck"]
    assert FINAL.variables["TRAY_HTTP__LISTEN"] == "0.0.0.0:9464"
    assert FINAL.last("EXPOSE") == "9464"
    assert FINAL.labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_every_build_step_keeps_to_the_lock() -> None:
    """Nothing is resolved anew: each sync is locked and leaves development packages out."""
    steps = [step for step in BUILD.all("RUN") if "uv" in step]
    assert len(steps) == 2
    assert every({"--locked", "--no-dev"} <= set(shlex.split(step)) for step in steps)
    assert BUILD.variables["UV_COMPILE_BYTECODE"] == "1"


def test_no_group_but_the_build_backend_is_installed_without_dev() -> None:
    """Another default group, such as that of the documents, would be in the image."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["default-groups"]
    assert set(groups) == {"dev", "build"}


def test_the_context_is_what_is_copied() -> None:
    """The ignore file lets in exactly what the build stage copies."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == set(copied_sources(BUILD))


def test_the_built_environment_runs(built: Path, tmp_path: Path) -> None:
    """It knows its version, has the schemas and the extra, and no development packages."""
    assert call(built, ["tray-stream", "--version"], {}, tmp_path).stdout.startswith("tray-stream ")
    (packages,) = built.glob("lib/python*/site-packages")
    assert (packages / "stream" / "schemas" / "track.schema.json").exists()
    assert (packages / "opentelemetry" / "sdk").exists()
    assert list(packages.glob("pytest*")) == []
    assert list(packages.glob("stream/**/__pycache__/*.pyc")) != []


def test_the_container_as_it_starts(
    built: Path, apache_kafka: Broker, receiver: FaultReceiver, topic_name: str, tmp_path: Path
) -> None:
    """The image's command delivers, its health check goes from 0 to 1 with the process, SIGTERM ends it with 0."""
    apache_kafka.create_topic(topic_name, 1)
    produce_events(apache_kafka.bootstrap, topic_name, [(b"u", b'{"type":"identify","userId":"u"}', None, None)])
    command = FINAL.command("ENTRYPOINT") + FINAL.command("CMD")
    env = {
        **FINAL.variables,
        "TRAY_HTTP__LISTEN": f"127.0.0.1:{free_port()}",
        "TRAY_KAFKA__BOOTSTRAP_SERVERS": apache_kafka.bootstrap,
        "TRAY_KAFKA__TOPICS": topic_name,
        "TRAY_WORKFLOW_URLS": receiver.url("/workflow"),
    }
    process = start(built, command, env, tmp_path)
    try:
        assert receiver.wait_for_count("/workflow", 1, timeout=60)
        healthy = call(built, FINAL.command("HEALTHCHECK"), env, tmp_path)
        process.send_signal(signal.Signals[FINAL.last("STOPSIGNAL")])
        _, log = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (healthy.returncode, healthy.stdout) == (0, "ok\n")
    assert process.returncode == 0, log
    dead = call(built, FINAL.command("HEALTHCHECK"), env, tmp_path)
    assert dead.returncode == 1
    assert dead.stderr.startswith("Error: nothing answers at 127.0.0.1:")


def test_what_is_wrong_is_said_on(receiver: FaultReceiver) -> None:
    """The sentence of a /healthz that is not well; a code where there is no sentence; nothing when all is well."""
    receiver.script("/healthz", always(503, b"No sign of life from the event loop for 31 s.\n"))
    assert health_fault("127.0.0.1", receiver.port) == "No sign of life from the event loop for 31 s."
    receiver.script("/healthz", always(500, b""))
    assert health_fault("127.0.0.1", receiver.port) == "/healthz answers 500."
    receiver.heal("/healthz")
    assert health_fault("127.0.0.1", receiver.port) == ""


@pytest.mark.parametrize(
    ("listened", "asked"),
    [
        ("0.0.0.0:9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("[::]:9464", ("::1", 9464)),
        ("10.1.2.3:80", ("10.1.2.3", 80)),
    ],
)
def test_where_health_is_asked(listened: str, asked: tuple[str, int]) -> None:
    """A process that listens everywhere is asked on the loopback."""
    assert address(listened) == asked


@pytest.mark.parametrize("listened", ["127.0.0.1:0", "127.0.0.1", "here:there", ":70000"])
def test_no_port_to_ask_at(listened: str) -> None:
    """Any free port cannot be guessed."""
    with pytest.raises(ConfigError, match="does not say at which port to ask"):
        address(listened)


def test_whence_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, else the file told, else the one in the directory, else the default."""
    monkeypatch.chdir(tmp_path)
    assert listen(None, {}) == "127.0.0.1:9464"
    Path("stream.toml").write_text('[http]\nlisten = "127.0.0.1:1111"\n')
    Path("other.toml").write_text('[http]\nlisten = "127.0.0.1:2222"\n')
    assert listen(None, {}) == "127.0.0.1:1111"
    assert listen(Path("other.toml"), {}) == "127.0.0.1:2222"
    assert listen(Path("other.toml"), {"TRAY_HTTP__LISTEN": "127.0.0.1:3333"}) == "127.0.0.1:3333"
    with pytest.raises(ConfigError, match="cannot be read"):
        listen(Path("missing.toml"), {})

"""The image: what its Dockerfile says, and the same build run here without a container."""

from __future__ import annotations

import re
import shlex
import signal
import tomllib
from pathlib import Path
from typing import Any

import pytest
from assertions import every, filled
from deploy_image import ARGUMENTS, BUILD, FINAL, UV, call, copied_sources, free_port, start
from deploy_tools import ROOT
from support.access import without_access
from support.receiver import FaultReceiver
from support.topics import Broker, produce_events

from stream.demo.behaviours import always
from stream.model.errors import ConfigError
from stream.run.healthcheck import address, health_fault, listen
from stream.settings import load_settings


def test_two_stages_on_one_python() -> None:
    """The environment is built and run on the same image, and the tool that built it stays behind."""
    assert BUILD.image == FINAL.image == ARGUMENTS["PYTHON_IMAGE"]
    assert [copy for copy in FINAL.all("COPY") if not copy.startswith("--from=build")] == []
    assert every("compileall" in step for step in FINAL.all("RUN"))
    made = re.match(r"uv==(\S+)", (ROOT / ".ci/uv.txt").read_text())
    assert made is not None
    assert UV.image.endswith(f"/uv:{made[1]}")


def test_the_process_is_nobody_special_and_needs_no_shell() -> None:
    """A numeric user other than root, exec form, an orderly stop, health asked by our own command."""
    user, _, group = FINAL.last("USER").partition(":")
    assert (int(user) > 0, int(group) > 0) == (True, True)
    assert FINAL.command("ENTRYPOINT") + FINAL.command("CMD") == ["tini", "-s", "--", "tray-stream", "run"]
    assert FINAL.last("STOPSIGNAL") == "SIGTERM"
    assert FINAL.command("HEALTHCHECK") == ["tray-stream", "healthcheck"]
    assert FINAL.last("EXPOSE") == "9464"


def test_labels_say_what_it_is() -> None:
    """Title, version, revision and date of the build are labels; a release gives the last three as arguments."""
    assert FINAL.labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    given = {name: FINAL.labels[f"org.opencontainers.image.{name}"] for name in ("version", "revision", "created")}
    assert given == {"version": "${VERSION}", "revision": "${REVISION}", "created": "${CREATED}"}
    assert {argument.partition("=")[0] for argument in FINAL.all("ARG")} == {"VERSION", "REVISION", "CREATED"}


def test_any_builder_takes_it() -> None:
    """No frontend is fetched, and no step needs BuildKit: Docker, Buildah and Kaniko build it alike."""
    text = (ROOT / "Dockerfile").read_text()
    assert "# syntax" not in text
    assert "--mount" not in text


def test_no_variable_outranks_the_settings_file(tmp_path: Path) -> None:
    """The image listens everywhere by default, and where the file or TRAY_HTTP__LISTEN says when they say."""
    path = tmp_path / "stream.toml"
    given = {**FINAL.variables, "TRAY_WORKFLOW_URLS": "https://hooks.example.com", "TRAY_KAFKA__TOPICS": "events"}
    path.write_text("")
    assert load_settings(path, given, {}).settings.http.listen == "0.0.0.0:9464"
    assert listen(path, given) == "0.0.0.0:9464"
    path.write_text('http.listen = "127.0.0.1:1111"\n')
    assert load_settings(path, given, {}).settings.http.listen == "127.0.0.1:1111"
    assert listen(path, given) == "127.0.0.1:1111"
    given["TRAY_HTTP__LISTEN"] = "127.0.0.1:2222"
    assert load_settings(path, given, {}).settings.http.listen == "127.0.0.1:2222"
    assert listen(path, given) == "127.0.0.1:2222"


def test_a_faulty_default_address_is_named(tmp_path: Path) -> None:
    """The variable of the image is checked like any other."""
    given = {"TRAY_DEFAULT_LISTEN": "everywhere", "TRAY_WORKFLOW_URLS": "https://a.example", "TRAY_KAFKA__TOPICS": "t"}
    with pytest.raises(ConfigError, match="TRAY_DEFAULT_LISTEN"):
        load_settings(None, given, {}, default_path=tmp_path / "none.toml")


def test_the_dependencies_are_to_be_had_for_arm() -> None:
    """Every locked package of the image that is compiled has a wheel for linux/arm64 and the Python of the image."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    named = {package["name"]: package for package in lock}
    version = re.search(r"python:(\d)\.(\d+)", ARGUMENTS["PYTHON_IMAGE"])
    assert version is not None
    own = f"cp{version[1]}{version[2]}"
    tags = re.compile(rf"-(({own}-{own}|cp3\d+-abi3|py3-none)-manylinux\S*aarch64|none-any)\S*\.whl")
    for name in filled(sorted(in_the_image(named))):
        files = [wheel["url"] for wheel in named[name].get("wheels", ())]
        assert any(tags.search(file) for file in files), name


def in_the_image(named: dict[str, dict[str, Any]]) -> set[str]:
    """Names of the packages that an installation with all extras brings on Linux."""
    found: set[str] = set()
    ours = named["tray-stream"]
    wanted = [*ours["dependencies"], *(one for extra in ours["optional-dependencies"].values() for one in extra)]
    while wanted:
        dependency = wanted.pop()
        if dependency["name"] not in found and "win32'" not in dependency.get("marker", "").replace("!= 'win32'", ""):
            found.add(dependency["name"])
            wanted += named[dependency["name"]].get("dependencies", ())
    return found


def test_every_build_step_keeps_to_the_lock() -> None:
    """Nothing is resolved anew: each sync is locked and leaves development packages out."""
    steps = [step for step in BUILD.all("RUN") if step.startswith("uv")]
    assert len(steps) == 3
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
    assert [*packages.glob("pytest*"), *packages.glob("hatchling*")] == []
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
    with without_access(tmp_path), pytest.raises(ConfigError, match=r"stream\.toml: cannot be read: permission denied"):
        listen(None, {})

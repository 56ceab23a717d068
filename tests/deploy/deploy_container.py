"""A container runtime where one answers, the image built by it, and containers of that image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from deploy_image import ARGUMENTS
from deploy_tools import ROOT, uv

BASE = "tray-stream-test-base:bookworm"
"""A stand-in for the base image, made of Debian's packages."""
UV_IMAGE = "tray-stream-test-uv:local"
IMAGE = "tray-stream:test"
PULL_TIMEOUT_S = 120.0
PACKAGES = "python3,python3-dev,python3-venv,gcc,libc6-dev,tini,ca-certificates"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Engine:
    """A container runtime with Docker's command line."""

    program: str

    def run(self, *arguments: str, given: bytes | None = None) -> str:
        """What a command prints; it must end well."""
        done = self.attempt(*arguments, given=given)
        assert done.returncode == 0, f"{arguments}: {done.stderr.decode()}"
        return done.stdout.decode()

    def attempt(self, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """A command that may fail."""
        return subprocess.run([self.program, *arguments], input=given, capture_output=True, check=False)

    def inspect(self, what: str) -> dict[str, object]:
        """The facts of an image or a container."""
        (facts,) = json.loads(self.run("inspect", what))
        return dict(facts)

    @contextmanager
    def container(self, *options: str, command: tuple[str, ...] = (), env: Mapping[str, str]) -> Iterator[str]:
        """A container of the image on this machine's network; removed at the end."""
        variables = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        made = self.run("run", "--detach", "--network", "host", *variables, *options, IMAGE, *command).strip()
        try:
            yield made
        finally:
            self.attempt("rm", "--force", "--volumes", made)


def find_engine() -> Engine:
    """Docker or Podman, whichever answers; the test is skipped, loudly, where neither does."""
    for name in ("docker", "podman"):
        if shutil.which(name) is not None:
            engine = Engine(name)
            if engine.attempt("info", "--format", "{{.ID}}").returncode == 0:
                return engine
    pytest.skip("NOT CHECKED: no container runtime answers (docker info, podman info).")


def build_image(engine: Engine, version: str = "1.2.3") -> str:
    """The image as its Dockerfile says; its name."""
    bases = {
        "PYTHON_IMAGE": python_image(engine),
        "UV_IMAGE": _uv_image(engine),
        "VERSION": version,
        "REVISION": "abcdef",
        "CREATED": "2026-01-02T03:04:05Z",
    }
    arguments = [word for name, value in bases.items() for word in ("--build-arg", f"{name}={value}")]
    engine.run("build", "--network", "host", *arguments, "--tag", IMAGE, str(ROOT))
    return IMAGE


def python_image(engine: Engine) -> str:
    """The base: the one that the Dockerfile names, where it is to be had, else one of Debian's packages."""
    wanted = ARGUMENTS["PYTHON_IMAGE"]
    if _is_there(engine, wanted) or _pulled(engine, wanted):
        return wanted
    if not _is_there(engine, BASE):
        _make_base(engine)
    return BASE


def _is_there(engine: Engine, image: str) -> bool:
    return engine.attempt("image", "inspect", image).returncode == 0


def _pulled(engine: Engine, image: str) -> bool:
    try:
        done = subprocess.run(
            [engine.program, "pull", "--quiet", image], capture_output=True, timeout=PULL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _make_base(engine: Engine) -> None:
    """Debian with its own Python, by debootstrap, and the certificates that this machine trusts."""
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip(
            f"NOT CHECKED: {ARGUMENTS['PYTHON_IMAGE']} cannot be pulled, and debootstrap (as root) is not there."
        )
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"NOT CHECKED: debootstrap failed: {done.stdout[-300:]}")
        shutil.copy2(CERTIFICATES, root / CERTIFICATES.relative_to("/"))
        (root / "usr/bin/python").symlink_to("python3")
        for folder in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / folder)
        packed = subprocess.run(["tar", "-C", str(root), "-c", "."], capture_output=True, check=True).stdout
    change = f"ENV SSL_CERT_FILE={CERTIFICATES}"
    engine.run("import", "--change", change, "-", BASE, given=packed)


def _uv_image(engine: Engine) -> str:
    """An image that holds this machine's uv, as uv's own image does."""
    if not _is_there(engine, UV_IMAGE):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy2(uv(), Path(directory) / "uv")
            (Path(directory) / "Dockerfile").write_text("FROM scratch\nCOPY uv /uv\n")
            engine.run("build", "--tag", UV_IMAGE, directory)
    return UV_IMAGE

"""The tools that judge what is deployed: found on PATH, or built once by Go into the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.demo.kafka_jars import cache_directory

ROOT = Path(__file__).resolve().parents[2]
BUILD_TIMEOUT_S = 900.0


@dataclass(frozen=True)
class GoTool:
    """A command-line program that is published as a Go module."""

    name: str
    package: str
    version: str
    binary: str
    """What `go install` calls it."""


HELM = GoTool("helm", "helm.sh/helm/v3/cmd/helm", "v3.20.2", "helm")
ACTIONLINT = GoTool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12", "actionlint")
COMPOSE_SPEC = GoTool("compose-spec", "github.com/compose-spec/compose-go/v2/cmd", "v2.16.2", "cmd")
"""The reference loader of Compose files: interpolates, merges, checks against the published schema."""


def go_tool(tool: GoTool) -> str:
    """Path of the tool; the test is skipped, loudly, where neither it nor Go is there."""
    found = shutil.which(tool.name)
    if found is not None:
        return found
    built = cache_directory() / f"{tool.name}-{tool.version}"
    if not built.exists():
        if shutil.which("go") is None:
            pytest.skip(f"NOT CHECKED: neither {tool.name} nor Go is on PATH.")
        _build_once(tool, built)
    return str(built)


def _build_once(tool: GoTool, path: Path) -> None:
    """Helm takes minutes the first time: of several processes of one test run, one builds and the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f"{tool.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _build(tool, path)


def _build(tool: GoTool, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="building-") as scratch:
        command = ["go", "install", f"{tool.package}@{tool.version}"]
        env = {**os.environ, "GOBIN": scratch}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
        if done.returncode != 0:
            pytest.skip(f"NOT CHECKED: {tool.name} could not be built: {done.stderr.strip()[-500:]}")
        (Path(scratch) / tool.binary).replace(path)  # whole or absent, also when this process is killed


def uv() -> str:
    """Path of uv: from PATH, or the one that `make` has put into .uv."""
    return shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")

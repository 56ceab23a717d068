"""The image without a container: its Dockerfile read, its last build step run here, its commands started here."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy_dockerfile import Stage, read_stages
from deploy_tools import ROOT, uv
from support.receiver import FaultReceiver

ARGUMENTS, (UV, BUILD, FINAL) = read_stages(ROOT / "Dockerfile")


def copied_sources(stage: Stage) -> list[str]:
    """Files and folders of the context that a stage copies."""
    copies = [shlex.split(copy) for copy in stage.all("COPY") if not copy.startswith("--")]
    return [source for copy in copies for source in copy[:-1]]


def build(context: Path) -> Path:
    """The environment that the build stage makes, made in `context` by its own last steps from its own files."""
    for source in copied_sources(BUILD):
        there = ROOT / source
        copy = shutil.copytree if there.is_dir() else shutil.copy2
        copy(there, context / source)
    environment = context / "environment"
    env = {**os.environ, **BUILD.variables, "UV_PROJECT_ENVIRONMENT": str(environment), "UV_NO_CACHE": "0"}
    for step in BUILD.all("RUN")[-2:]:
        command = [uv(), *shlex.split(step)[1:]]
        done = subprocess.run(command, cwd=context, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(context / "stream")  # what runs is what was installed
    return environment


def without_init(command: Sequence[str]) -> list[str]:
    """A command of the image less its init (`tini -s --`), which only a container has."""
    return list(command[command.index("--") + 1 :]) if command[0] == "tini" else list(command)


def call(
    built: Path, command: Sequence[str], env: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    """Run one of the image's commands as a container would, with nothing else in the environment."""
    process = start(built, command, env, directory)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def start(built: Path, command: Sequence[str], env: Mapping[str, str], directory: Path) -> subprocess.Popen[str]:
    """The same, and not waited for."""
    name, *arguments = without_init(command)
    program = [str(built / "bin" / name), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=directory, env=dict(env), stdout=pipe, stderr=pipe, text=True)


def free_port() -> int:
    """A port of the loopback that was free just now."""
    with FaultReceiver() as server:
        return server.port

"""Every command explains itself with an example, and the shell completes it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from assertions import filled
from typer.main import get_command
from typer.testing import CliRunner

from stream.cli.app import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and help of each command that does something."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command.help or ""
        return
    for name, found in inner.items():
        yield from commands(found, (*path, name))


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*found, id=" ".join(found[0])) for found in commands(get_command(app))]
)
def test_every_command_has_an_example(path: tuple[str, ...], text: str) -> None:
    """One line at least that begins with the command itself, or pipes into it."""
    assert "Example" in text
    assert f"tray-stream {' '.join(path)}" in text


@pytest.mark.parametrize("width", [80, 120])
def test_paragraphs_are_wrapped_once(width: int) -> None:
    """Wherever a line of a command's help ends within a paragraph, its next word would not have fitted."""
    ragged = []
    for path, text in filled(commands(get_command(app))):
        prose = " ".join(one for one in text.split("\n\n") if not one.startswith(" "))
        shown = CliRunner(env={"COLUMNS": str(width), "TERM": "dumb"}).invoke(app, [*path, "--help"])
        lines = [line.strip() for line in shown.stdout.partition("╭")[0].splitlines()]
        for line, following in pairwise(lines):
            room = width - 2 - len(line)
            if line and following and f"{line} {following}" in prose and len(following.split()[0]) + 1 <= room - 1:
                ragged.append((" ".join(path), line))
    assert ragged == []


@pytest.mark.parametrize(
    ("words", "completed"),
    [("tray-stream ex", "explain"), ("tray-stream top --on", "--once"), ("tray-stream run --log-f", "--log-format")],
)
def test_the_shell_completes(words: str, completed: str) -> None:
    """What the script of `--show-completion bash` asks for."""
    asked = {"_TRAY_STREAM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = Path(sys.executable).with_name("tray-stream")
    done = subprocess.run(
        [program], env={**os.environ, **asked}, capture_output=True, text=True, check=False, timeout=60
    )
    assert completed in done.stdout.split()

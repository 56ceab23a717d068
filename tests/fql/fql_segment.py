"""Segment's own FQL code from npm, run by Node: the oracle of the differential tests."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from stream.demo.kafka_jars import cache_directory

_SOURCE = Path(__file__).parent / "segment"
_INSTALL_TIMEOUT_S = 300.0


class Segment:
    """A Node process that lexes, evaluates and transforms by Segment's packages."""

    def __init__(self, folder: Path) -> None:
        environment = os.environ | {"NODE_PATH": str(folder / "node_modules")}
        self._process = subprocess.Popen(
            ["node", str(_SOURCE / "oracle.cjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def tokens(self, statements: Sequence[str]) -> list[list[list[str]] | None]:
        """The tokens of each statement; None where the lexer refuses it."""
        return self._ask({"ask": "lex", "codes": statements})  # type: ignore[no-any-return]

    def verdicts(self, irs: Sequence[object], events: Sequence[str]) -> list[list[bool | None]]:
        """Per statement's IR, the verdict of each event; None where the evaluation throws."""
        return self._ask({"ask": "match", "irs": irs, "events": events})  # type: ignore[no-any-return]

    def transformed(self, cases: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[list[str]]:
        """Of each event and its rules: dropped, threw, or sent and the event."""
        return self._ask({"ask": "transform", "cases": cases})  # type: ignore[no-any-return]

    def json(self, texts: Sequence[str]) -> list[str]:
        """Each text as `JSON.stringify` writes what `JSON.parse` read."""
        return self._ask({"ask": "json", "texts": texts})  # type: ignore[no-any-return]

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def installed() -> Path:
    """The folder of the packages, as pinned by the lock file; fetched once, into the user's cache.

    Skips the test, loudly, where there is no Node or npm; with CI=true that is a failure.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        _unavailable("node and npm are not on PATH")
    lock = (_SOURCE / "package-lock.json").read_bytes()
    folder = cache_directory() / f"segment-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    """Into a folder of this process, which becomes the real one in one step: several tests may come at once."""
    ours = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(ours, ignore_errors=True)
    ours.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_SOURCE / name, ours)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=ours, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        shutil.rmtree(ours, ignore_errors=True)
        _unavailable(f"npm ci failed: {done.stderr[-500:]}")
    try:
        ours.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(ours, ignore_errors=True)


def _unavailable(why: str) -> None:
    message = f"SEGMENT'S OWN CODE WAS NOT COMPARED WITH OURS: {why}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)

"""`demo`: the main job without anything installed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from acceptance_support import call

pytestmark = pytest.mark.acceptance


def test_the_demo_ends_by_itself(tmp_path: Path) -> None:
    """Exit 0 in under 30 s; in a pipe the tables are plain text, each row on one line, and no progress is shown."""
    began = time.monotonic()
    ended = call(tmp_path, "demo")
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 30
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""
    rows = [
        " ".join(line.strip("┃│").replace("┃", " ").replace("│", " ").split()) for line in ended.stdout.splitlines()
    ]
    assert "received delivered filtered dead-lettered avoided abandoned open" in rows
    assert "workflow delivered attempts retried dead-lettered filtered by reason" in rows
    assert "partition committed end" in rows
    assert any(row.startswith("orders ") for row in rows)
    assert ended.stdout.endswith("Every event is accounted for and every offset is committed.\n")
    assert list(tmp_path.iterdir()) == []

"""`make version`: one command writes a release's version into every file that names it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from assertions import every
from deploy_tools import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NEW = "12.34.56"
TEXT = {".md", ".json", ".hcl", ".yaml", ".yml", ".toml", ".service", ".tpl", ".txt"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The parts of a checkout that name the version."""
    for name in ("docs", "deploy"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for name in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci/set_version.py", tmp_path / ".ci")
    return tmp_path


def set_version(tree: Path, version: str) -> subprocess.CompletedProcess[str]:
    """Run it there."""
    command = [sys.executable, str(tree / ".ci/set_version.py"), version]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_place_has_the_new_version(tree: Path) -> None:
    """Package, lock, chart and examples; no page or example names the old one beside our name."""
    done = set_version(tree, NEW)
    assert done.returncode == 0, done.stderr
    assert tomllib.loads((tree / "pyproject.toml").read_text())["project"]["version"] == NEW
    packages = tomllib.loads((tree / "uv.lock").read_text())["package"]
    assert [one["version"] for one in packages if one["name"] == "tray-stream"] == [NEW]
    chart = yaml.safe_load((tree / "deploy/chart/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (NEW, NEW)
    changed = done.stdout.split()
    assert {"deploy/ecs/task-definition.json", "docs/start/nomad-ecs.md", "docs/start/quickstart.md"} <= set(changed)
    assert every(NEW in (tree / name).read_text() for name in changed)
    texts = [path for folder in ("docs", "deploy") for path in (tree / folder).rglob("*.*") if path.suffix in TEXT]
    named = re.compile(rf"tray.stream\W{re.escape(VERSION)}\b")
    assert every(named.search(path.read_text()) is None for path in texts if not path.is_symlink())


def test_nothing_else_of_the_lock_changes(tree: Path) -> None:
    """Another package of the same version keeps its own."""
    before = (tree / "uv.lock").read_text().splitlines()
    set_version(tree, NEW)
    after = (tree / "uv.lock").read_text().splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "next"])
def test_what_is_no_version_is_refused(tree: Path, version: str) -> None:
    """Nothing is written."""
    done = set_version(tree, version)
    assert done.returncode != 0
    assert "make version VERSION=1.2.3" in done.stderr
    assert VERSION in (tree / "pyproject.toml").read_text()

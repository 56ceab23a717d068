"""The command where another package named `stream` is in this program's place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = "import tray_stream; tray_stream.main()"


def started(first: Path) -> subprocess.CompletedProcess[str]:
    """`tray-stream --version` with `first` before everything else on the path."""
    path = f"import sys; sys.argv = ['tray-stream', '--version']; sys.path[:0] = [{str(first)!r}, {str(ROOT)!r}]; "
    command = [sys.executable, "-c", path + START]
    return subprocess.run(command, capture_output=True, text=True, cwd=first, check=False)


def test_the_processor_starts_without_what_draws_on_terminals() -> None:
    """rich, Pygments and click take longer to import than all else; httpx imports them for its own command line."""
    code = "import sys, stream.cli.app, stream.run.command, stream.run.workers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert imported >= {"stream", "httpx", "typer"}
    assert imported.isdisjoint({"rich", "pygments", "click"})


def test_the_own_package_runs(tmp_path: Path) -> None:
    """With nothing in the way the command does what it is asked."""
    done = started(tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("tray-stream ")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"stream/__init__.py": "__version__ = '5.2.1'\n"}, "belongs to another distribution"),
        ({"stream.py": "def connect(): ...\n"}, "belongs to another distribution"),
        ({"stream/__init__.py": "import a_package_that_is_not_there\n"}, "cannot be imported (ModuleNotFoundError)"),
        ({"stream/__init__.py": "raise RuntimeError('secret')\n"}, "cannot be imported (RuntimeError)"),
        ({"stream/__init__.py": "from stream.client import connect\n"}, "cannot be imported (ModuleNotFoundError)"),
    ],
    ids=["package", "module", "needs another", "fails", "half of it"],
)
def test_another_package_of_the_name_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    """Exit 2, one sentence that says what stands in the way and how to install, no traceback."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = started(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert "environment of its own" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_package_without_its_first_file_is_not_whole(tmp_path: Path) -> None:
    """What is left where another distribution's removal has taken files of this program along."""
    (tmp_path / "tray_stream.py").write_text((ROOT / "tray_stream.py").read_text())
    (tmp_path / "stream").mkdir()
    (tmp_path / "stream" / "__main__.py").write_text((ROOT / "stream" / "__main__.py").read_text())
    command = [sys.executable, "-S", "-c", START]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert f"stream in {tmp_path / 'stream'} is not whole" in done.stderr.replace("`", "")

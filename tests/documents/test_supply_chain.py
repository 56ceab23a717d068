"""What is installed is what was locked, and known flaws of it are looked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from assertions import every

ROOT = Path(__file__).resolve().parents[2]
LOCK: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
FOREIGN = [package for package in LOCK if package["name"] != "tray-stream"]
FAKE_UV = "#!/bin/sh\necho 'orjson==3.11.0 --hash=sha256:00'\n"


def test_every_package_is_locked_by_hash() -> None:
    """Each file that could be installed has one, and comes from the one registry."""
    assert len(FOREIGN) > 50
    for package in FOREIGN:
        assert package["source"] == {"registry": "https://pypi.org/simple"}, package["name"]
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files
        assert every(file["hash"].startswith("sha256:") and file["url"].startswith("https://") for file in files)


def test_everything_that_installs_uses_the_lock() -> None:
    """The Makefile, and the image where there is one."""
    texts = [path.read_text() for path in (ROOT / "Makefile", *ROOT.glob("**/Dockerfile")) if ".venv" not in path.parts]
    syncs = [line for text in texts for line in text.splitlines() if "uv sync" in line or ") sync" in line]
    assert syncs
    assert every("--locked" in line or "--frozen" in line for line in syncs)


def test_the_build_backend_comes_from_the_lock() -> None:
    """Without isolation: an isolated build installs the newest one that fits, from no lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    required = {re.split("[<>=]", one)[0] for one in project["build-system"]["requires"]}
    assert required <= {re.split("[<>=]", one)[0] for one in project["dependency-groups"]["build"]}
    assert required <= {package["name"] for package in LOCK}
    assert project["tool"]["uv"]["no-build-isolation-package"] == ["tray-stream"]
    assert "build" in project["tool"]["uv"]["default-groups"]


def test_uv_is_installed_by_hash() -> None:
    """One version, here and in the image, and nothing but what its hashes name."""
    required = (ROOT / ".ci/uv.txt").read_text()
    version = re.match(r"uv==([0-9.]+)", required)
    assert version
    assert "--hash=sha256:" in required
    # pip refuses a requirement named on the command line beside the file, since that one has no hash
    assert "--require-hashes --requirement .ci/uv.txt\n" in (ROOT / "Makefile").read_text()
    assert f"astral-sh/uv:{version[1]}" in (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("answer", "errors", "code", "said"),
    [
        ({"dependencies": [{"name": "orjson", "version": "3.11.0", "vulns": []}]}, "", 0, "1 packages, 0 known"),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]},
            "",
            1,
            "a 1: CVE-1; mended by 2",
        ),
        (None, "ConnectionError: Max retries exceeded with url", 0, "Not audited"),
        (None, "ERROR: no such service", 1, "pip-audit failed: ERROR: no such service"),
    ],
    ids=["clean", "vulnerable", "offline", "broken"],
)
def test_the_audit_tells_apart_what_it_found(
    tmp_path: Path, answer: object, errors: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing known, something known, nobody to ask, and an error of its own."""
    monkeypatch.delenv("CI", raising=False)
    printed = "" if answer is None else json.dumps(answer)
    fakes = {"uv": FAKE_UV, "pip-audit": f"#!/bin/sh\ncat <<'END'\n{printed}\nEND\necho '{errors}' >&2\n"}
    for name, script in fakes.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    command = map(str, (sys.executable, ROOT / ".ci/audit.py", tmp_path / "uv", tmp_path / "pip-audit"))
    ended = subprocess.run(list(command), capture_output=True, text=True, check=False)
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (code, True)

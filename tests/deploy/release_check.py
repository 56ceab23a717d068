"""`make release-check`: builds what a release publishes, installs each into an empty place, and runs the demo there.

What this machine lacks the tools for is listed as not checked. Exit 1 when anything is wrong.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from deploy_container import IMAGE, Engine, build_image, find_engine, python_image
from deploy_tools import HELM, ROOT, go_tool, uv

DIST = ROOT / "dist"
KUBERNETES = "1.37.0"
NOT_IN_SDIST = {".gitattributes"}
SOME_TESTS = ("tests/cli", "tests/fql", "tests/documents/test_supply_chain.py")
MEASURED = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:.3f} CPU s, {time.monotonic() - began:.2f} s")
"""


@dataclass
class Release:
    """What is being checked, and what was found."""

    scratch: Path
    version: str
    summary: list[tuple[str, str, str]] = field(default_factory=list)
    """(what, ok or FAILED or not checked, details)."""

    @property
    def sdist(self) -> Path:
        """The source distribution."""
        return DIST / f"tray_stream-{self.version}.tar.gz"

    @property
    def wheel(self) -> Path:
        """The wheel."""
        return DIST / f"tray_stream-{self.version}-py3-none-any.whl"

    def check(self, what: str, step: Callable[[Release], str]) -> None:
        """Run one step, and note how it ended."""
        began = time.monotonic()
        try:
            state, details = "ok", step(self)
        except pytest.skip.Exception as reason:
            state, details = "not checked", str(reason).removeprefix("NOT CHECKED: ")
        except (AssertionError, OSError, KeyError, ValueError) as error:
            state, details = "FAILED", str(error)
        print(f"{state:13}{what} ({time.monotonic() - began:.0f} s)", flush=True)
        self.summary.append((what, state, details))


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> str:
    """What a command prints. Raises AssertionError with the end of its output when it fails."""
    clean = {name: text for name, text in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]} exits with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"
    return done.stdout


def demo(*command: str | Path, cwd: Path, **env: str) -> str:
    """The demo, told by how long it ran."""
    began = time.monotonic()
    printed = run(*command, cwd=cwd, **env)
    assert "delivered" in printed.lower(), printed[-1000:]
    return f"demo in {time.monotonic() - began:.0f} s"


def versions(release: Release) -> str:
    """Package and chart have one, and the tag where one is built (TAG)."""
    chart = yaml.safe_load((ROOT / "deploy/chart/Chart.yaml").read_text())
    found = {release.version, chart["version"], chart["appVersion"]}
    tag = os.environ.get("TAG", "").removeprefix("v")
    assert found == {release.version}, f"versions differ: {sorted(found)}"
    assert tag in {"", release.version}, f"the tag is {tag}, the package {release.version}"
    return release.version


def build_sdist(release: Release) -> str:
    """Holds every file of the repository."""
    run(uv(), "build", "--quiet", "--sdist", "--no-build-isolation", "--python", sys.executable, "--out-dir", DIST)
    with tarfile.open(release.sdist) as packed:
        names = {member.name.partition("/")[2] for member in packed.getmembers() if not member.isdir()}
        links = [member for member in packed.getmembers() if member.issym()]
    targets = {os.path.normpath(f"{Path(link.name).parent}/{link.linkname}").partition("/")[2] for link in links}
    assert targets <= names, f"links that lead nowhere: {sorted(targets - names)}"
    tracked = {name for name in run("git", "ls-files").splitlines() if (ROOT / name).exists()} - NOT_IN_SDIST
    assert tracked <= names, f"not in it: {sorted(tracked - names)[:10]}"
    more = names - tracked - {"PKG-INFO"}
    assert more == set(), f"in it, and not in the repository: {sorted(more)[:10]}"
    return f"{len(tracked)} files, {release.sdist.stat().st_size / 1e6:.1f} MB"


def build_wheel(release: Release) -> str:
    """The same from the checkout and from the source distribution; the package, its schemas, and nothing of tests."""
    how = ("--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(uv(), "build", *how, "--out-dir", DIST)
    run(uv(), "build", *how, "--out-dir", release.scratch / "second", release.sdist)
    first, second = (dict(digests(folder / release.wheel.name)) for folder in (DIST, release.scratch / "second"))
    assert first == second, f"differ: {sorted(set(first.items()) ^ set(second.items()))[:5]}"
    top = {name.partition("/")[0] for name in first}
    assert top == {"stream", "tray_stream.py", f"tray_stream-{release.version}.dist-info"}, f"at the top: {sorted(top)}"
    assert {"stream/py.typed", "stream/schemas/track.schema.json"} <= set(first)
    return f"{len(first)} files, {release.wheel.stat().st_size / 1e3:.0f} kB, equal from checkout and sdist"


def build_compiled(release: Release) -> str:
    """The wheel for this machine, its hot path compiled, in an empty place."""
    if shutil.which("cc") is None:
        pytest.skip("NOT CHECKED: there is no C compiler (cc).")
    how = ("--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    place = release.scratch / "compiled"
    run(uv(), "build", *how, "--out-dir", place, release.sdist, HATCH_BUILD_HOOK_ENABLE_MYPYC="1")
    (wheel,) = place.glob("*.whl")
    run(uv(), "venv", "--quiet", "--python", sys.executable, place / "venv")
    run(uv(), "pip", "install", "--quiet", "--python", place / "venv", wheel)
    python = place / "venv/bin/python"
    module = run(python, "-c", "import stream.http.sender as sender; print(sender.__file__)", cwd=place).strip()
    assert not module.endswith(".py"), f"{module} is plain Python"
    return f"{wheel.stat().st_size / 1e3:.0f} kB; {demo(place / 'venv/bin/tray-stream', 'demo', cwd=place)}"


def digests(wheel: Path) -> Iterator[tuple[str, str]]:
    """(name, digest) of each file."""
    with zipfile.ZipFile(wheel) as packed:
        for name in packed.namelist():
            yield name, hashlib.sha256(packed.read(name)).hexdigest()


def uv_tool(release: Release) -> str:
    """`uv tool install` of the wheel, in an empty place."""
    place = release.scratch / "tool"
    place.mkdir()
    env = {"UV_TOOL_DIR": str(place / "tools"), "UV_TOOL_BIN_DIR": str(place / "bin")}
    run(uv(), "tool", "install", "--quiet", "--python", sys.executable, release.wheel, cwd=place, **env)
    program = place / "bin" / "tray-stream"
    assert run(program, "--version", cwd=place).strip() == f"tray-stream {release.version}"
    return demo(program, "demo", cwd=place)


def pipx(release: Release) -> str:
    """`pipx install` of the wheel, in an empty place."""
    place = release.scratch / "pipx"
    place.mkdir()
    env = {"PIPX_HOME": str(place / "home"), "PIPX_BIN_DIR": str(place / "bin"), "PIPX_DEFAULT_PYTHON": sys.executable}
    run(uv(), "tool", "run", "--quiet", "pipx", "install", "--quiet", release.wheel, cwd=place, **env)
    return demo(place / "bin" / "tray-stream", "demo", cwd=place)


def from_sdist(release: Release) -> str:
    """`make demo` and some tests of the unpacked source distribution."""
    place = release.scratch / "sdist"
    place.mkdir()
    run("tar", "-xzf", release.sdist, cwd=place)
    (tree,) = place.iterdir()
    env = {"PATH": f"{Path(uv()).parent}{os.pathsep}{os.environ['PATH']}", "UV_PYTHON": sys.executable}
    told = demo("make", "demo", cwd=tree, **env)
    quick = run(tree / ".venv/bin/pytest", "-q", *SOME_TESTS, cwd=tree)
    return f"{told}; {quick.strip().splitlines()[-1]}"


def image(release: Release) -> str:
    """Built and run; its size, start, and health check."""
    engine = find_engine()
    build_image(engine, release.version)
    size, base = _size(engine, IMAGE), _size(engine, python_image(engine))
    measured = f"{size / 1e6:.0f} MB, {(size - base) / 1e6:.0f} above its base"
    measured += f"; --version {_measured(engine, '--version')}"
    measured += f"; healthcheck {_measured(engine, 'healthcheck')}"
    measured += f"; at --cpus 0.25 {_measured(engine, 'healthcheck', '--cpus', '0.25')}"
    return f"{demo(engine.program, 'run', '--rm', '--read-only', IMAGE, 'demo', cwd=release.scratch)}; {measured}"


def _size(engine: Engine, name: str) -> int:
    return int(engine.run("image", "inspect", "--format", "{{.Size}}", name))


def _measured(engine: Engine, command: str, *options: str) -> str:
    start = ("run", "--rm", *options, "--entrypoint", "python3", IMAGE)
    return engine.run(*start, "-c", MEASURED, "tray-stream", command).strip()


def chart(release: Release) -> str:
    """Packed with the version; renders from the package alone, with every rule and dashboard."""
    helm = go_tool(HELM)
    numbers = ("--version", release.version, "--app-version", release.version)
    run(helm, "package", ROOT / "deploy/chart", "--destination", DIST, *numbers)
    packed = DIST / f"tray-stream-{release.version}.tgz"
    values = ROOT / "deploy/chart/ci/everything-values.yaml"
    rendered = run(
        helm, "template", "live", packed, "--kube-version", "1.37.0", "--values", values, cwd=release.scratch
    )
    manifests = [manifest for manifest in yaml.safe_load_all(rendered) if manifest]
    (rules,) = (one["spec"]["groups"] for one in manifests if one["kind"] == "PrometheusRule")
    boards = next(one["data"] for one in manifests if one["metadata"]["name"].endswith("-dashboards"))
    assert len(boards) == len(list((ROOT / "grafana/dashboards").glob("*.json")))
    count = sum(len(group["rules"]) for group in rules)
    return f"{len(manifests)} objects, {count} rules, {len(boards)} dashboards, {packed.stat().st_size / 1e3:.0f} kB"


def sbom(_release: Release) -> str:
    """The packages of an installation with all extras, as CycloneDX."""
    run("make", "sbom", f"UV={uv()}")
    path = DIST / "tray-stream.cdx.json"
    return f"{path.read_text().count(chr(34) + 'purl' + chr(34))} packages, {path.stat().st_size / 1e3:.0f} kB"


STEPS: dict[str, Callable[[Release], str]] = {
    "version": versions,
    "sdist": build_sdist,
    "wheel": build_wheel,
    "compiled wheel": build_compiled,
    "uv tool install": uv_tool,
    "pipx install": pipx,
    "make demo from sdist": from_sdist,
    "image": image,
    "chart": chart,
    "SBOM": sbom,
}


def main() -> int:
    """Check everything; print the summary."""
    DIST.mkdir(exist_ok=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    with tempfile.TemporaryDirectory(prefix="release-check-") as scratch:
        release = Release(Path(scratch), version)
        for what, step in STEPS.items():
            release.check(what, step)
    print()
    for what, state, details in release.summary:
        print(f"{what:22}{state:13}{details}")
    failed = [what for what, state, _ in release.summary if state == "FAILED"]
    print(f"\n{'Failed: ' + ', '.join(failed) if failed else 'All that could be checked is well'}; see {DIST}/.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

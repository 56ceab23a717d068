"""Writes a version into every file that names the one of pyproject.toml: package, lock, chart, examples, documents."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FORM = re.compile(r"\d+\.\d+\.\d+")
EVERYWHERE = r"(\btray-stream[:/]|\btray_stream-){old}(?![\w.]*\d)"
"""As a tag of the image, a User-Agent or the name of a wheel: in the documents and the examples."""
ONCE = {
    "pyproject.toml": r'(?m)^(version = "){old}(?=")',
    "uv.lock": r'(name = "tray-stream"\nversion = "){old}(?=")',
    "deploy/chart/Chart.yaml": r'(?m)^((?:version|appVersion): "?){old}(?="?$)',
}


def current(root: Path) -> str:
    """The version of the package."""
    found = re.search(r'(?m)^version = "(.+)"', (root / "pyproject.toml").read_text())
    if found is None:
        raise SystemExit("pyproject.toml has no version.")
    return found[1]


def write_version(root: Path, new: str) -> list[str]:
    """Replace the current version; the names of the files that were changed."""
    old = re.escape(current(root))
    patterns = dict(ONCE)
    for folder in ("docs", "deploy"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".md", ".json", ".hcl"} and not path.is_symlink():
                patterns[str(path.relative_to(root))] = EVERYWHERE
    return [name for name, pattern in patterns.items() if _replace(root / name, pattern.format(old=old), new)]


def _replace(path: Path, pattern: str, new: str) -> bool:
    text = path.read_text()
    changed = re.sub(pattern, lambda found: found[1] + new, text)
    if changed != text:
        path.write_text(changed)
    return changed != text


def main() -> None:
    """Write the version that the command names."""
    new = sys.argv[1] if len(sys.argv) == 2 else ""
    if FORM.fullmatch(new) is None:
        raise SystemExit("Name the version: make version VERSION=1.2.3")
    print(*write_version(ROOT, new), sep="\n")


if __name__ == "__main__":
    main()

"""What mypyc compiles, when it is asked to: the modules of the hot path, and what that forbids the others."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from assertions import filled

ROOT = Path(__file__).resolve().parents[2]


def compiled() -> list[str]:
    """The modules that pyproject.toml names, as paths."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["mypyc"]
    return [name.removeprefix("/") for name in hook["include"]]


def classes(path: Path) -> Iterator[ast.ClassDef]:
    """The classes of a module."""
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))


def test_each_module_that_is_to_be_compiled_is_there() -> None:
    """One that was renamed would be left out without a word."""
    assert [name for name in filled(compiled()) if not (ROOT / name).is_file()] == []


def test_nobody_inherits_from_a_compiled_class() -> None:
    """Neither the program nor a test: Python refuses it at run time, when the class is made."""
    paths = [ROOT / name for name in compiled()]
    names = {one.name for path in paths for one in classes(path)}
    others = [path for folder in ("stream", "tests") for path in (ROOT / folder).rglob("*.py") if path not in paths]
    heirs = [
        f"{path.relative_to(ROOT)}: {one.name}"
        for path in filled(others)
        for one in classes(path)
        if any(isinstance(base, ast.Name) and base.id in filled(names) for base in one.bases)
    ]
    assert heirs == []

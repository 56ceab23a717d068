"""The documents say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated import PACKAGE, PARTS, with_parts


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_generated_parts_are_current(path: Path) -> None:
    """`make docs` would change nothing."""
    assert with_parts(path.read_text(), PARTS[path]) == path.read_text()


def test_every_file_says_its_duty() -> None:
    """The file map has a sentence for each file."""
    assert [path for path in PACKAGE.rglob("*.py") if "|  |" in path.read_text().splitlines()[0]] == []
    assert "|  |" not in (PACKAGE / "ARCHITECTURE.md").read_text().split("## Every file")[1]

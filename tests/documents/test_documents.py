"""The documents say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated import PACKAGE, PARTS, first_sentence, with_parts


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_generated_parts_are_current(path: Path) -> None:
    """`make docs` would change nothing."""
    assert with_parts(path.read_text(), PARTS[path]) == path.read_text()


def test_every_file_says_its_duty() -> None:
    """The file map has a sentence for each file."""
    sentences = {path: first_sentence(path) for path in PACKAGE.rglob("*.py")}
    assert len(sentences) > 100
    assert [path for path, sentence in sentences.items() if not sentence] == []

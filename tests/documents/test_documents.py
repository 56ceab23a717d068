"""The documents say what the code says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from assertions import filled
from generated import PARTS, ROOT, with_parts
from reference_logs import messages
from reference_settings import EXAMPLES, examples, paths

from stream.model.events import FilterReason
from stream.settings import load_settings


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_generated_parts_are_current(path: Path) -> None:
    """`make docs` would change nothing."""
    assert with_parts(path.read_text(), PARTS[path]) == path.read_text()


def test_every_file_says_its_duty() -> None:
    """In the docstring of the module."""
    docstrings = {path: ast.get_docstring(ast.parse(path.read_text())) for path in (ROOT / "stream").rglob("*.py")}
    assert len(docstrings) > 100
    assert [path for path, text in docstrings.items() if not text] == []


def test_every_setting_has_an_example() -> None:
    """In every-setting.toml, which the reference quotes; nothing else is in it."""
    assert [path for path, _ in paths() if path not in examples()] == []
    known = {path for path, _ in paths()}
    assert [path for path in filled(examples()) if path not in known] == []


def test_the_examples_of_every_setting_can_be_loaded(tmp_path: Path) -> None:
    """As one file; the two that exclude others of it, instead of those."""
    secret = tmp_path / "kafka_password"
    secret.write_text("s")
    text = EXAMPLES.read_text().replace("/run/secrets/kafka_password", str(secret))
    environ = {name: f"https://hooks.example.com/{name}" for name in re.findall(r"env:(\w+)", text)}
    path = tmp_path / "stream.toml"
    path.write_text(text)
    assert [workflow.name for workflow in load_settings(path, environ, {}).settings.workflows] == ["orders"]


def test_the_log_has_messages() -> None:
    """The reference finds the sentences that matter most."""
    found = {message.text for message in messages()}
    assert {"Partitions assigned.", "An event became a dead letter."} <= found


def test_every_reason_for_filtering_is_explained() -> None:
    """In the table of the page on filters, and in no other spelling."""
    page = (ROOT / "docs" / "guides" / "filters.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", page.partition("\n\n##")[2], re.MULTILINE)
    assert [reason.value for reason in FilterReason if reason.value not in filled(rows)] == []

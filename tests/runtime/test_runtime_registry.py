"""A registry that cannot be used is found at the start."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from support.access import without_access

from stream.model.errors import ConfigError
from stream.runtime.extras import open_schemas
from stream.settings.model import Settings


def settings_with(**section: Any) -> Settings:
    """Settings with this section."""
    return Settings.model_validate({"schema_registry": section})


def refusal(settings: Settings) -> str:
    """Why the registry cannot be used."""
    with pytest.raises(ConfigError) as caught:
        open_schemas(settings, lambda function, *arguments: function(*arguments))
    return str(caught.value)


def test_none_is_opened_without_a_url() -> None:
    """And its client is not imported."""
    assert open_schemas(Settings(), lambda function, *arguments: function(*arguments)) is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    for name in [name for name in sys.modules if name.startswith("stream.registry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastavro", None)
    said = refusal(settings_with(url="https://r.example.com"))
    assert said.startswith("schema_registry.url: is set, and what reads schemas is not installed")
    assert 'pip install "tray-stream[registry]"' in said


def test_a_ca_file_that_may_not_be_read(tmp_path: Path) -> None:
    """The same as a missing one."""
    path = tmp_path / "ca.pem"
    path.write_text("")
    with without_access(path):
        said = refusal(settings_with(url="https://r.example.com", ca_file=str(path)))
    assert said.startswith("schema_registry.ca_file: is no file that can be read.")


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used(tmp_path: Path, text: str | None) -> None:
    """Missing, or something else."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    assert refusal(settings_with(url="https://r.example.com", ca_file=str(path))).startswith(
        "schema_registry.ca_file: "
    )

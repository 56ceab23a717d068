"""What the tests of the settings share: settings files, and the problems found in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.model.errors import ConfigError
from stream.settings import Loaded, load_settings

URL = "https://hooks.example.com/wf/1"
MINIMAL = f"""
[kafka]
topics = ["segment-events"]
[[workflow]]
url = "{URL}"
"""


def load(
    folder: Path,
    toml: str = MINIMAL,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Loaded:
    """Load a settings file that is written to `folder` first."""
    path = folder / "stream.toml"
    path.write_text(toml, encoding="utf-8")
    return load_settings(path, environ or {}, flags or {})


def problems(
    folder: Path,
    toml: str = MINIMAL,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> list[str]:
    """Each problem of a settings file, as people read it."""
    with pytest.raises(ConfigError) as caught:
        load(folder, toml, environ, flags)
    return [str(problem) for problem in caught.value.problems]


def workflow_problems(folder: Path, lines: str) -> list[str]:
    """Each problem of a settings file whose only workflow has these lines."""
    return problems(folder, f'[kafka]\ntopics = ["segment-events"]\n[[workflow]]\n{lines}\n')

"""Any settings file, environment and flags: settings, or problems that say where; never an exception of anybody's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from assertions import every
from hypothesis import given
from hypothesis import strategies as st

from stream.model.errors import ConfigError
from stream.settings import load_settings, redacted_settings
from stream.settings.hidden import hidden_texts
from stream.settings.keys import fields_by_key, section_of
from stream.settings.model import Settings

_SECTIONS = {key: list(fields_by_key(kind)) for key, f in fields_by_key(Settings).items() if (kind := section_of(f))}
_WORDS = st.sampled_from(
    [
        "https://hooks.example.com/a", "http://user:p@h/", "http://[::1", "track", "all", "10s", "5/s", "2MiB", "user",
        "segment-events", "^a(", "${env:A}", "${file:/nope}", "${", "whsec_!!", "both", "shared", "10.0.0.0/8", "t:0:1",
        "127.0.0.1:0", "off", "", " ", "\x00", "é", "9" * 400,
    ]
)  # fmt: skip
_PLAIN = _WORDS | st.text(max_size=6) | st.integers(-(2**70), 2**70) | st.booleans() | st.floats()
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | _WORDS, inner, max_size=2),
    max_leaves=5,
)
_ENVIRONMENT = st.dictionaries(
    st.sampled_from(["TRAY_WORKFLOW_URLS", "TRAY_SHARED_SECRET", "TRAY_KAFKA__TOPICS", "TRAY_ISOLATION", "A"])
    | st.sampled_from(["TRAY_RETRY__RETRY_ON", "TRAY_LIMITS__MAX_AHEAD", "TRAY_KAFKA_OPTION_X", "TRAY_KAFKA__NOPE"])
    | st.text("TRAYKFO_X", min_size=1, max_size=12),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
    | _WORDS.filter(lambda word: "\x00" not in word),
    max_size=3,
)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    """Where a settings file may be written again and again."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "stream.toml"


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value) + '"'
        case list():
            return "[" + ", ".join(map(literal, value)) + "]"
        case dict():
            return "{ " + ", ".join(f"{literal(str(key))} = {literal(held)}" for key, held in value.items()) + " }"
        case _:
            return str(value)


@st.composite
def files(draw: st.DrawFn) -> str:
    """Files that are nearly right: sections and keys that exist, with any values; or any text."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=80))
    lines = [f"isolation = {literal(draw(_VALUES))}"] if draw(st.booleans()) else []
    for section in draw(st.lists(st.sampled_from(sorted(_SECTIONS)), max_size=3, unique=True)):
        lines.append(f"[[{section}]]" if section == "workflow" else f"[{section}]")
        keys = st.sampled_from(_SECTIONS[section]) | st.just("nope")
        lines += [f"{literal(key)} = {literal(draw(_VALUES))}" for key in draw(st.lists(keys, max_size=4, unique=True))]
    if draw(st.booleans()):
        lines += ["[[workflow]]", 'url = "https://hooks.example.com/b"']
    return "\n".join(lines)


@pytest.mark.fuzz
@given(files(), _ENVIRONMENT, st.sampled_from([None, "a,b", "\x00"]))
def test_any_settings_are_settings_or_problems(
    path: Path, text: str, environ: dict[str, str], flag: str | None
) -> None:
    """What is loaded can be printed, and its secrets found."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = loaded(path, environ, flag)
    if isinstance(found, Settings):
        assert redacted_settings(found)
        assert "" not in hidden_texts(found)
    else:
        assert found.problems
        assert every(problem.path and problem.what for problem in found.problems)


def loaded(path: Path, environ: dict[str, str], topics: str | None) -> Settings | ConfigError:
    """The settings, or why there are none."""
    try:
        return load_settings(path, environ, {"kafka.topics": topics}, workflows_required=False).settings
    except ConfigError as error:
        return error

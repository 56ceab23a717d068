"""Every problem with every setting is in words that a user knows: none of the libraries that find it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from assertions import every, filled, names_of_code
from settings_support import URL

from stream.model.errors import ConfigError
from stream.settings.draft import Draft, Location
from stream.settings.environment import read_environment
from stream.settings.keys import fields_by_key, section_of, sections_by_key
from stream.settings.load import validate
from stream.settings.model import Settings
from stream.settings.section import Section

WRONG: dict[str, object] = {
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge": 2**70,
    "fraction": 1.5,
    "nan": math.nan,
    "infinite": -math.inf,
    "empty text": "",
    "text": "not what was asked for",
    "control character": "\x00",
    "half a character": "\ud800",
    "empty list": [],
    "list of numbers": [1],
    "list of texts": ["", "\x00"],
    "list of lists": [[]],
    "list of tables": [{"surprise": 1}],
    "empty table": {},
    "table": {"surprise": {"more": [1]}},
    "date": date(2026, 1, 1),
    "time": time(1),
    "date and time": datetime(2026, 1, 1, tzinfo=UTC),
}
"""A value of each kind that TOML has, and of those that a variable can give."""


def places(section: type[Section], above: Location = ()) -> Iterator[Location]:
    """Where each setting stands, and each section."""
    for key, field in fields_by_key(section).items():
        yield (*above, key)
        if inner := section_of(field):
            yield from places(inner, (*above, key, 0) if key == "workflow" else (*above, key))


def settings_with(value: object, at: Location) -> dict[str, Any]:
    """Settings that are right but for one value."""
    tree: dict[str, Any] = {"kafka": {"topics": ["events"]}, "workflow": [{"name": "orders", "url": URL}]}
    table: Any = tree
    for part in at[:-1]:
        table = table[part] if isinstance(part, int) else table.setdefault(part, {})
    table[at[-1]] = value
    return tree


def found_in(draft: Draft) -> list[str]:
    """Each problem of these values, as users read it."""
    validate(draft)
    return [str(problem) for problem in draft.problems]


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG.keys())
def test_no_value_of_any_setting_is_answered_in_words_of_code(value: object) -> None:
    """None names a class, a library or quotes one."""
    said = [(at, text) for at in places(Settings) for text in found_in(Draft(settings_with(value, at)))]
    for at, text in filled(said):
        assert names_of_code(text) == [], at
        assert text.endswith((".", '"', "?", ")", "…")), text


@pytest.mark.parametrize("text", ["x", "[", "-1", "1e999", "nan", '{"a":', "[1,"])
def test_no_variable_is_answered_in_words_of_code(text: str) -> None:
    """The same for what the environment gives, which is read by the kind of the setting first."""
    names = [f"TRAY_{name}__{key}".upper() for name, kind in sections_by_key().items() for key in fields_by_key(kind)]
    said = []
    for name in filled(names):
        draft = Draft(settings_with(URL, ("workflow", 0, "url")))
        try:
            read_environment({name: text}, draft)
        except ConfigError as error:
            draft.problems += error.problems
        said += found_in(draft)
    assert every(names_of_code(problem) == [] for problem in said)

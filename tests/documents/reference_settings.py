"""The reference of the settings in Markdown: from the model, and an example of each from every-setting.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stream.runtime.reload import AT_START_ONLY, DEAD_LETTERS_AT_START_ONLY
from stream.settings.filters import FilterSection
from stream.settings.keys import fields_by_key, section_of
from stream.settings.model import Settings
from stream.settings.section import Section
from stream.settings.variables import known_variables

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/reference/every-setting.toml"
ELSEWHERE = {"destination.shared_secret": "${env:TRAY_SECRET}", "workflow.shared_secrets": ["${env:NEW}", "${env:OLD}"]}
"""Examples of keys that exclude another one of the file."""
SHORTCUTS = {
    "isolation": "TRAY_ISOLATION",
    "kafka.options": "TRAY_KAFKA_OPTION_…",
    "kafka.consumer_options": "TRAY_KAFKA_CONSUMER_OPTION_…",
    "kafka.producer_options": "TRAY_KAFKA_PRODUCER_OPTION_…",
    "destination.shared_secret": "TRAY_SHARED_SECRET",
    "workflow.url": "TRAY_WORKFLOW_URLS",
}
"""Variables of keys that have no name by the rule, or a shorter one."""


def reference() -> str:
    """A section for each table of the file, and in it one for each key."""
    return "\n".join(_lines()) + "\n"


def examples() -> Mapping[str, Any]:
    """The value of each key in the file of examples, by `section.key`."""
    tree = tomllib.loads(EXAMPLES.read_text())
    tree["workflow"] = tree["workflow"][0]
    found = dict(ELSEWHERE)
    for name, value in tree.items():
        is_table = isinstance(value, dict)
        found |= {f"{name}.{key}": inner for key, inner in value.items()} if is_table else {name: value}
    for each in tree["destination"]["filters"]:
        found |= {f"filters.{key}": inner for key, inner in each.items()}
    return found


def paths() -> Iterator[tuple[str, FieldInfo]]:
    """Every key as `section.key`."""
    for key, field in fields_by_key(Settings).items():
        section = section_of(field)
        if section is None:
            yield key, field
        else:
            yield from ((f"{key}.{name}", inner) for name, inner in fields_by_key(section).items())
    yield from ((f"filters.{name}", inner) for name, inner in fields_by_key(FilterSection).items())


def _lines() -> Iterator[str]:
    shown = examples()
    fields = fields_by_key(Settings)
    yield "## Top of the file"
    for key, field in fields.items():
        if section_of(field) is None:
            yield from _entry(key, field, shown)
    for key, field in fields.items():
        section = section_of(field)
        if section is not None:
            yield ""
            yield f"## `{_table(key)}`"
            yield ""
            yield f"{_capital(_sentence(section))}."
            for name, inner in fields_by_key(section).items():
                yield from _entry(f"{key}.{name}", inner, shown)
    yield from (
        "",
        "## `[[destination.filters]]`, `[[workflow.filters]]`",
        "",
        f"{_capital(_sentence(FilterSection))}.",
    )
    for name, inner in fields_by_key(FilterSection).items():
        yield from _entry(f"filters.{name}", inner, shown)


def _entry(path: str, field: FieldInfo, shown: Mapping[str, Any]) -> Iterator[str]:
    key = path.rpartition(".")[2]
    facts = [f"Default: {_default(field)}", f"Example: `{key} = {_toml(shown.get(path))}`", f"Change: {_change(path)}"]
    if variable := _variable(path):
        facts.insert(2, f"Variable: `{variable}`")
    yield from ("", f"### `{path}`", "", _escaped(field.description or ""), "")
    yield from (f"- {fact}" for fact in facts)


def _table(key: str) -> str:
    return f"[[{key}]]" if key == "workflow" else f"[{key}]"


def _sentence(section: type[Section]) -> str:
    return (section.__doc__ or "").splitlines()[0].rstrip(".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _change(path: str) -> str:
    """What brings a new value into force."""
    section, _, key = path.partition(".")
    if section in AT_START_ONLY or (section == "dead_letter" and key in DEAD_LETTERS_AT_START_ONLY):
        return "needs a restart"
    if path == "workflow.start":
        return "counts at the first start of the workflow's group"
    return "applied by a reload (SIGHUP)"


def _variable(path: str) -> str:
    if path in SHORTCUTS:
        return SHORTCUTS[path]
    section, _, key = path.partition(".")
    name = f"TRAY_{section}__{key}".upper()
    return name if name in known_variables().values() else ""


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        if field.default_factory is dict:
            return "`{}`"
        return "required" if field.default_factory is None else "see above"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "`[]`"
    if isinstance(value, bool | int | float):
        return f"`{_toml(value)}`"
    text = str(value)
    return f'`"{"" if "*" in text else text}"`'


def _toml(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;").replace("[[]", "`[[]`")

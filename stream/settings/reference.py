"""The configuration reference in Markdown, from the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stream.settings.keys import fields_by_key, section_of
from stream.settings.model import Settings
from stream.settings.section import Section


def reference() -> str:
    """One table for each section: key, default, sentence."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    fields = fields_by_key(Settings)
    plain = {key: field for key, field in fields.items() if section_of(field) is None}
    yield from _table("Top of the file", plain)
    for key, field in fields.items():
        section = section_of(field)
        if section is not None:
            title = f"`[[{key}]]`" if key == "workflow" else f"`[{key}]`"
            yield ""
            yield from _table(f"{title}: {_sentence(section)}", fields_by_key(section))


def _table(title: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield f"**{title}**"
    yield ""
    yield "| key | default | |"
    yield "|---|---|---|"
    for key, field in fields.items():
        yield f"| `{key}` | {_default(field)} | {_escaped(field.description or '')} |"


def _sentence(section: type[Section]) -> str:
    first = (section.__doc__ or "").splitlines()[0]
    return first[:1].lower() + first[1:].rstrip(".")


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "" if field.default_factory is None else _made(field)
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[]`"
    text = str(value)
    return f"`{value}`" if isinstance(value, int | float) else f'`"{"" if "*" in text else text}"`'


def _made(field: FieldInfo) -> str:
    return "`{}`" if field.default_factory is dict else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")

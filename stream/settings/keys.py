"""The keys of the settings as a user writes them, found in the model."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import get_args

from pydantic.fields import FieldInfo

from stream.settings.draft import Location
from stream.settings.model import Settings
from stream.settings.section import Section


def fields_by_key(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields of a section by the key that stands for each in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field holds, alone or as a list; None when it holds a plain value."""
    held = (*get_args(field.annotation), field.annotation)
    return next((kind for kind in held if isinstance(kind, type) and issubclass(kind, Section)), None)


def sections_by_key() -> dict[str, type[Section]]:
    """The sections that are one table each: all but the workflows."""
    sections = {key: field.annotation for key, field in fields_by_key(Settings).items()}
    return {key: kind for key, kind in sections.items() if isinstance(kind, type) and issubclass(kind, Section)}


def keys_at(location: Location) -> list[str]:
    """The keys that the table at a location may have; none when it is not a table of the model."""
    section: type[Section] | None = Settings
    for part in location:
        if section and isinstance(part, str):
            field = fields_by_key(section).get(part)
            section = section_of(field) if field else None
    return list(fields_by_key(section)) if section else []


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be; empty when none is near."""
    return next(iter(get_close_matches(word, list(known), n=1)), "")


def suggestion(word: str, known: Collection[str], all_of_them: str = "There are") -> str:
    """How to fix a word that is not known: the one that was probably meant, else all that there are."""
    near = nearest(word, known)
    return f"Did you mean {near}?" if near else f"{all_of_them}: {', '.join(known) or 'none'}."

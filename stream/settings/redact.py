"""The settings as they may be printed: in the file's words, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from stream.settings.keys import fields_by_key
from stream.settings.model import Settings
from stream.settings.options import may_be_printed
from stream.settings.secret import MASK, Secret
from stream.settings.section import Section
from stream.settings.units import Span, format_duration, format_rate


def redacted_settings(settings: Settings) -> dict[str, Any]:
    """Every setting by the file's keys, defaults included; what is secret is masked or cut to its host."""
    tree = _section(settings)
    tree["dead_letter"]["topic"] = settings.dead_letter_topic
    return tree


def _section(section: Section) -> dict[str, Any]:
    names = {field.alias or name: name for name, field in type(section).model_fields.items()}
    fields = fields_by_key(type(section))
    values = {key: getattr(section, name) for key, name in names.items()}
    return {key: _value(key, value, fields[key]) for key, value in values.items() if value is not None}


def _value(key: str, value: object, field: FieldInfo) -> object:
    if isinstance(value, Section):
        return _section(value)
    if isinstance(value, Secret):
        return value.redacted()
    if isinstance(value, Mapping):
        return {name: _entry(name, held) for name, held in value.items()}
    if isinstance(value, tuple):
        return [_value(key, held, field) for held in value]
    if isinstance(value, float) and any(isinstance(mark, Span) for mark in field.metadata):
        return format_duration(value)
    if isinstance(value, float):
        return format_rate(value)
    return value


def _entry(name: str, value: str | Secret) -> str:
    return value if isinstance(value, str) and may_be_printed(name) else MASK

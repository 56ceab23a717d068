"""The settings as they may be printed: with the file's keys, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic.fields import FieldInfo

from stream.settings.draft import Location
from stream.settings.keys import fields_by_key
from stream.settings.model import Settings
from stream.settings.options import may_be_printed
from stream.settings.secret import MASK, Secret
from stream.settings.section import Section
from stream.settings.units import ByteSize, DurationRange, Rate, format_duration, format_rate, format_size


def redacted_settings(settings: Settings, references: Mapping[Location, str] | None = None) -> dict[str, Any]:
    """Every setting by the file's keys, defaults included; what is secret is masked or cut to its host.

    `references`: what stands for a secret in the file, by place, where it may be printed instead of the mask.
    """
    return _Printed(references or {}).section(settings, ())


@dataclass(frozen=True)
class _Printed:
    references: Mapping[Location, str] = field(default_factory=dict)

    def section(self, section: Section, at: Location) -> dict[str, Any]:
        names = {described.alias or name: name for name, described in type(section).model_fields.items()}
        fields = fields_by_key(type(section))
        values = {key: getattr(section, name) for key, name in names.items()}
        return {key: self._value(value, fields[key], (*at, key)) for key, value in values.items() if value is not None}

    def _value(self, value: object, described: FieldInfo, at: Location) -> object:
        if isinstance(value, Section):
            return self.section(value, at)
        if isinstance(value, Secret):
            return self.references.get(at) or value.redacted()
        if isinstance(value, Mapping):
            return {name: self._entry(name, held, (*at, name)) for name, held in value.items()}
        if isinstance(value, tuple):
            return [self._value(held, described, (*at, index)) for index, held in enumerate(value)]
        return _plain(value, described)

    def _entry(self, name: str, value: str | Secret, at: Location) -> str:
        if isinstance(value, str) and may_be_printed(name):
            return value
        return self.references.get(at, MASK)


def _plain(value: object, described: FieldInfo) -> object:
    """As users write it: with the unit that the kind of setting has."""
    kinds = {type(mark) for mark in (*described.metadata, *_marks_within(described))}
    if isinstance(value, float) and DurationRange in kinds:
        return format_duration(value)
    if isinstance(value, float) and Rate in kinds:
        return format_rate(value)
    if isinstance(value, int) and ByteSize in kinds:
        return format_size(value)
    return value


def _marks_within(described: FieldInfo) -> tuple[object, ...]:
    """The marks of an optional setting, which belong to one of the types that it may have."""
    return tuple(mark for kind in get_args(described.annotation) for mark in getattr(kind, "__metadata__", ()))

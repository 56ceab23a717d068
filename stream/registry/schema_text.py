"""A schema as a registry has it, with the schemas that it refers to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SchemaText:
    """One schema; `references` has each that it needs, directly or not, by name, those that others need first."""

    kind: str
    """AVRO, PROTOBUF or JSON."""
    text: str
    references: tuple[tuple[str, str], ...] = ()


class SchemaUnavailableError(Exception):
    """A schema cannot be had for now, though it may be later; its text says why."""


class UnusableSchemaError(Exception):
    """A schema that no value can be read with; its text says why, without quoting the schema."""

"""Checks events against the JSON Schemas in `schemas/`, compiled once at start."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema_rs import ReferencingError, Registry, ValidationError, ValidationErrorKind, validator_for

from stream.model.errors import StreamError
from stream.model.events import SEGMENT_TYPES

COMMON = "common"
_PHRASES = {"type": "is not a string or a number", "pattern": "is blank", "minLength": "is empty"}
"""What is said of a field that fails a keyword of the schemas; of any other keyword: is not valid."""


def schema_folder() -> Path:
    """Where the schema files are: in the installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


class SchemaValidator:
    """`ports.Validator` on the schema files: one per Segment type, the common one for custom types.

    Raises: StreamError when a file is missing or is not a JSON Schema.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or schema_folder()
        try:
            schemas = {name: _read(folder, name) for name in (COMMON, *SEGMENT_TYPES)}
            registry = Registry([(schema["$id"], schema) for schema in schemas.values()])
            self._validators = {
                name: validator_for(schema, registry=registry, offline=True) for name, schema in schemas.items()
            }
        except (OSError, ValueError, KeyError, ReferencingError) as error:
            raise StreamError(f"The schemas in {folder} cannot be used: {error}") from error
        self._common = self._validators.pop(COMMON)
        self._fields = frozenset(field for schema in schemas.values() for field in _fields(schema))

    def fault(self, type_: str, payload: Mapping[str, Any]) -> str | None:
        """None when `payload` is a valid event of `type_`, else a sentence naming the field, never its value.

        `type_` is compared as it is; what is not one of Segment's types is held against the common schema.
        """
        validator = self._validators.get(type_, self._common)
        try:
            if validator.is_valid(payload):
                return None
        except UnicodeEncodeError:  # a lone surrogate in the text of `type`: the outline has none
            pass
        outline = {field: _flat(payload[field]) for field in self._fields if field in payload}
        faults = [_sentence(error) for error in validator.iter_errors(outline)]
        return "; ".join(faults) + "." if faults else None


def _read(folder: Path, name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def _sentence(error: ValidationError) -> str:
    return " and ".join(_phrases(error))


def _phrases(error: ValidationError) -> Iterator[str]:
    """One phrase for each field that could have satisfied the failing rule."""
    kind = error.kind
    if isinstance(kind, ValidationErrorKind.AnyOf):
        for branch in kind.context:
            yield from _phrases(branch[0])
    elif isinstance(kind, ValidationErrorKind.Required):
        yield f"{kind.property} is missing"
    else:
        field = error.instance_path[0] if error.instance_path else "the event"
        yield f"{field} {_state(error)}"


def _state(error: ValidationError) -> str:
    if error.instance is None:
        return "is null"
    if isinstance(error.kind, ValidationErrorKind.Type) and error.kind.types == ["string"]:
        return "is not a string"
    return _PHRASES.get(error.kind.name, "is not valid")


def _fields(schema: Any) -> Iterator[str]:
    """Names of fields that a schema speaks of, at any depth of its own."""
    if isinstance(schema, dict):
        yield from schema.get("required", ())
        yield from schema.get("properties", ())
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _fields(part)


def _flat(value: object) -> object:
    """A field's value in a form that can be reported on at a cost that does not depend on its size.

    The schemas look no deeper, so what is nested is emptied. Lone surrogates and numbers beyond a double's range, which
    JSON allows, are replaced.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, (dict, list)):
        return type(value)()
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()

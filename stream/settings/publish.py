"""Writes the JSON Schema of the settings file, for editors: `python -m stream.settings.publish PATH`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from stream.settings.model import Settings

_USAGE = "usage: python -m stream.settings.publish [--check] PATH\n"


class _FileSchema(GenerateJsonSchema):
    """The schema as TOML has it: no null, and no titles that only repeat the key."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", "") is None:
            del described["default"]
        return described

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def schema_text() -> str:
    """The JSON Schema (2020-12) of the settings file, the same text for the same model."""
    described = Settings.model_json_schema(schema_generator=_FileSchema)
    head = {"$schema": _FileSchema.schema_dialect, "$id": "tray-stream/config.schema.json"}
    return json.dumps(head | described, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema to a path or, with `--check`, compare: 0 current, 1 not, 2 wrong usage."""
    match arguments:
        case ["--check", path] | [path, "--check"]:
            return _check(Path(path))
        case [path] if not path.startswith("-"):
            Path(path).write_text(schema_text(), encoding="utf-8")
            return 0
    sys.stderr.write(_USAGE)
    return 2


def _check(path: Path) -> int:
    if path.exists() and path.read_text(encoding="utf-8") == schema_text():
        return 0
    sys.stderr.write(f"{path} is not current: run python -m stream.settings.publish {path}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

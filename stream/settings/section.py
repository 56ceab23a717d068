"""What every section of the settings has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def with_unit(default: str, description: str, alias: str | None = None) -> Any:
    """A field whose default is written as users write it, with a unit, and validated like their values."""
    return Field(default=default, validate_default=True, description=description, alias=alias)

"""What every section of the settings has in common, and how its validators say what is wrong with a value."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Fault(NamedTuple):
    """One thing wrong with a value. It never repeats the value, which may be a secret."""

    what: str
    fix: str = ""
    key: str | int | None = None
    """The key or position inside the value that is at fault; None: the value itself."""


def refusal(*faults: Fault) -> PydanticCustomError:
    """The exception that a validator raises; `problems.py` turns each fault into a Problem."""
    return PydanticCustomError("refused", "refused", {"faults": faults})


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def with_unit(default: str, description: str, alias: str | None = None) -> Any:
    """A field whose default is written as users write it, with a unit, and validated like their values."""
    return Field(default=default, validate_default=True, description=description, alias=alias)

"""How a validator of the model says what is wrong with a value, once or several times at once."""

from __future__ import annotations

from typing import NamedTuple

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

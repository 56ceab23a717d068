"""Values of traits: scalars, each with one spelling, so that equal values are equal bytes."""

from __future__ import annotations

import math
import re

import orjson

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_NUMBER_LENGTH = 40
_LARGEST_EXACT = 2**53
_WORDS: dict[str, object] = {"": None, "true": True, "false": False}


def scalar_json(value: object) -> bytes | None:
    """The value as JSON; None when it is no scalar that JSON can hold.

    450, 450.0 and 4.5e2 are one value and have one spelling.
    """
    if isinstance(value, float):
        return _number_json(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    return orjson.dumps(value) if value is None or isinstance(value, bool | str) else None


def read_cell(text: str, as_text: bool) -> object:
    """What a cell of a CSV file means: empty null, true and false booleans, JSON's numbers numbers, else text.

    With `as_text` every cell is text.
    """
    if as_text:
        return text
    stripped = text.strip()
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    found = _NUMBER.fullmatch(stripped) if len(stripped) <= _MAX_NUMBER_LENGTH else None
    if found is None:
        return text
    return float(stripped) if found[1] or found[2] else int(stripped)


def _number_json(value: float) -> bytes | None:
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return b"%d" % int(value)
    return orjson.dumps(value)

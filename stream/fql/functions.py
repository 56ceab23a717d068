"""FQL's functions: those of Segment's code, and those that Segment's reference has beside them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from stream.fql.glob import matcher
from stream.fql.values import (
    UNDEFINED,
    contains,
    double,
    is_number,
    is_true,
    length,
    lowercase,
    to_json,
    type_of,
)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"\S+")

_WHITE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""What JavaScript trims."""
_INTEGER = re.compile("[+-]?[0-9]+")
_MOST_PARTS = 3


def match(text: Any, pattern: Any) -> bool:
    """Whether a text matches a pattern; false for what is not text. Raises EvaluationError."""
    return text.__class__ is str and pattern.__class__ is str and matcher(pattern)(text)


def uppercase(value: Any) -> str | None:
    """The text in upper case; null for what is not text."""
    return value.upper() if value.__class__ is str else None


def snakecase(value: Any) -> str | None:
    """The text with an underscore for each space."""
    return value.replace(" ", "_") if value.__class__ is str else None


def kebabcase(value: Any) -> str | None:
    """The text with a dash for each space."""
    return value.replace(" ", "-") if value.__class__ is str else None


def titlecase(value: Any) -> str | None:
    """The text with the first letter of each word in upper case."""
    if value.__class__ is not str:
        return None
    return _WORD.sub(lambda word: word[0][0].upper() + word[0][1:], value)


def to_bool(value: Any) -> bool:
    """False for null, false, 0, an empty text and an empty list."""
    return bool(value) if value.__class__ is list else is_true(value)


def to_string(value: Any) -> str | None:
    """A text as it is, anything else as JSON; null for null."""
    if value is None or value is UNDEFINED or value.__class__ is str:
        return value if value.__class__ is str else None
    return to_json(value)


def to_number(value: Any) -> float | None:
    """A number as it is, a text that is one; null for anything else."""
    if is_number(value):
        return double(value)
    if value.__class__ is str and _NUMBER.fullmatch(value):
        return float(value)
    return None


Version = tuple[float, float, float]


def semver(left: Any, operator: Any, right: Any) -> bool:
    """Whether two versions compare as the operator says; false for what is not a version or no operator."""
    if left.__class__ is not str or operator.__class__ is not str or right.__class__ is not str:
        return False
    first, second = _version(left), _version(right)
    if first is None or second is None:
        return False
    match operator:
        case "=":
            return first == second
        case "!=":
            return first != second
        case ">":
            return first > second
        case ">=":
            return first >= second
        case "<":
            return first < second
        case "<=":
            return first <= second
    return False


@lru_cache(1_024)
def _version(text: str) -> Version | None:
    parts = text.split(".", _MOST_PARTS)
    if len(parts) > _MOST_PARTS:
        return None
    numbers = []
    for part in parts:
        found = _INTEGER.match(part.strip(_WHITE))
        if found is None:
            return None
        numbers.append(_double(found[0]))
    first, second, third = (*numbers, 0.0, 0.0)[:_MOST_PARTS]
    return first, second, third


def _double(digits: str) -> float:
    return float(digits[:400])


OF_TSUB: dict[str, Callable[..., Any]] = {
    "contains": contains,
    "match": match,
    "semver": semver,
    "lowercase": lowercase,
    "typeof": type_of,
    "length": length,
}
"""Functions that Segment's code evaluates. It does not evaluate what is nested in them: that is a list to them."""

OF_REFERENCE: dict[str, Callable[..., Any]] = {
    "uppercase": uppercase,
    "snakecase": snakecase,
    "kebabcase": kebabcase,
    "titlecase": titlecase,
    "bool": to_bool,
    "string": to_string,
    "number": to_number,
}
"""Functions that Segment's reference describes and `tsub` does not know."""

"""Versions as Segment's code compares them: up to three numbers, what is missing counts as 0."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_WHITE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
"""What JavaScript trims."""
_NUMBER = re.compile("[+-]?[0-9]+")
_MOST_PARTS = 3

Version = tuple[float, float, float]


def semver(left: Any, operator: Any, right: Any) -> bool:
    """Whether two versions compare as the operator says; false for what is no version or no operator."""
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
        found = _NUMBER.match(part.strip(_WHITE))
        if found is None:
            return None
        numbers.append(_double(found[0]))
    first, second, third = (*numbers, 0.0, 0.0)[:_MOST_PARTS]
    return first, second, third


def _double(digits: str) -> float:
    return float(digits[:400])

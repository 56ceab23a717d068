"""JSON values as JavaScript sees them, which is how Segment's code compares, measures and writes them."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from stream.fql.errors import EvaluationError


class _Undefined:
    """What a field that is not there has for a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"


class _Inherited:
    """What JavaScript finds under a name that a value does not have itself, such as `constructor`: no data."""

    __slots__ = ()


UNDEFINED: Final = _Undefined()
INHERITED: Final = _Inherited()
NO_DATA = "JavaScript has a function by the name of a field that the event does not have"

_BEYOND_UTF16 = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2
_EXACT_BELOW = 2**53
_LONGEST_DECIMAL = 21
"""Digits before the point that JavaScript writes without an exponent."""
_LEAST_DECIMAL = -7
"""Exponents from which it writes small numbers without one."""
_WORDS: dict[Any, str] = {None: "null", True: "true", False: "false"}
_TYPES: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "string", type(UNDEFINED): "undefined"}


def field(event: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The value that `names` lead to."""
    value: Any = event
    for name in names:
        value = value.get(name, UNDEFINED) if value.__class__ is dict else member(value, name)
    return value


def member(value: Any, name: str) -> Any:
    """`value[name]`: lists have elements and a length, texts characters and a length, everything else nothing."""
    if value.__class__ is dict:
        return value.get(name, UNDEFINED)
    if value.__class__ is str and value:
        return _member_of(units(value), name)
    return _member_of(value, name) if value.__class__ is list else UNDEFINED


def _member_of(sequence: Any, name: str) -> Any:
    if name == "length":
        return len(sequence)
    index = int(name) if _INDEX.fullmatch(name) else -1
    return sequence[index] if 0 <= index < len(sequence) else UNDEFINED


def units(text: str) -> str:
    """The text with each character beyond U+FFFF as the two UTF-16 units that it is."""
    if text.isascii() or not _BEYOND_UTF16.search(text):
        return text
    return _BEYOND_UTF16.sub(_halves, text)


def _halves(found: re.Match[str]) -> str:
    offset = ord(found[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def length(value: Any) -> int | float:
    """Elements of a list, UTF-16 units of a text, 0 for null, NaN for anything else."""
    if value is None:
        return 0
    if value.__class__ is str:
        return len(units(value))
    return len(value) if value.__class__ is list else math.nan


def type_of(value: Any) -> str:
    """The type by JavaScript's name: null and lists are objects. Raises EvaluationError for what is no data."""
    if value is INHERITED:
        raise EvaluationError(NO_DATA)
    return _TYPES.get(value.__class__, "object")


def lowercase(value: Any) -> str | None:
    """The text in lower case; null for what is not text."""
    return value.lower() if value.__class__ is str else None


def is_true(value: Any) -> bool:
    """Whether JavaScript takes it for true."""
    if is_number(value):
        return not (value == 0 or math.isnan(double(value)))
    return value is not UNDEFINED and (value.__class__ in (dict, list) or bool(value))


def double(number: float) -> float:
    """The number as JavaScript holds it."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def is_number(value: Any) -> bool:
    """Whether it is a number; booleans are none."""
    return value.__class__ is int or value.__class__ is float


def is_same(left: Any, right: Any) -> bool:
    """`left === right`: no conversion, lists and objects by identity."""
    if is_number(left):
        return is_number(right) and double(left) == double(right)
    if left.__class__ is str:
        return right.__class__ is str and left == right
    return left is right


def is_equal(left: Any, right: Any) -> bool:
    """FQL's `=`: as `===`, and two lists or objects (null is one) when they are written alike as JSON."""
    if type_of(left) == type_of(right) == "object":
        return to_json(left) == to_json(right)
    return is_same(left, right)


def compares(left: Any, operator: str, right: Any) -> bool:
    """FQL's order of two numbers; false for anything else."""
    if not (is_number(left) and is_number(right)):
        return False
    first, second = double(left), double(right)
    match operator:
        case "<":
            return first < second
        case "<=":
            return first <= second
        case ">":
            return first > second
        case _:
            return first >= second


def contains(text: Any, part: Any) -> bool:
    """Whether one text holds the other; false for what is not text."""
    if text.__class__ is not str or part.__class__ is not str:
        return False
    return part in text or (not part.isascii() and units(part) in units(text))


def to_json(value: Any) -> str:
    """JSON as `JSON.stringify` writes it; of what is not there the word undefined.

    Raises EvaluationError for what is nested too deeply.
    """
    try:
        return _json(value)
    except RecursionError:
        raise EvaluationError("the event is nested too deeply") from None


def _json(value: Any) -> str:
    if value.__class__ is str:
        return _text(value)
    if value.__class__ is dict:
        return "{" + ",".join([f"{_text(name)}:{_json(value[name])}" for name in _ordered(value)]) + "}"
    if value.__class__ is list:
        return "[" + ",".join(map(_json, value)) + "]"
    return number_text(value) if is_number(value) else _WORDS.get(value, "undefined")


def _text(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return escape_surrogates(written)


def escape_surrogates(text: str) -> str:
    """JSON text with lone surrogates as their escapes: UTF-8 has no bytes for them."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _ordered(names: dict[str, Any]) -> list[str]:
    """JavaScript puts names that are numbers first, in their order."""
    indexes = [name for name in names if name[:1].isdigit() and _INDEX.fullmatch(name) and int(name) <= _LARGEST_INDEX]
    if not indexes:
        return list(names)
    return sorted(indexes, key=int) + [name for name in names if name not in set(indexes)]


def number_text(number: float) -> str:
    """A number as JavaScript writes it in JSON."""
    value = double(number)
    if value.is_integer() and -_EXACT_BELOW < value < _EXACT_BELOW:
        return str(int(value))
    return _decimal(value) if math.isfinite(value) else "null"


def _decimal(value: float) -> str:
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return ("-" if value < 0 else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """The digits with their decimal point behind the first `point` of them."""
    if len(digits) <= point <= _LONGEST_DECIMAL:
        return digits + "0" * (point - len(digits))
    if 0 < point <= _LONGEST_DECIMAL:
        return f"{digits[:point]}.{digits[point:]}"
    if _LEAST_DECIMAL < point - 1 < 0:
        return f"0.{'0' * -point}{digits}"
    exponent = f"{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{exponent}"

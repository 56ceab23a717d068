"""What compiled statements call."""

from __future__ import annotations

from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.functions import OF_REFERENCE, OF_TSUB
from stream.fql.ir import resembles_ir
from stream.fql.values import INHERITED, NO_DATA, UNDEFINED, compares, is_equal, is_same, is_true, member

# Names that JavaScript finds in values that do not hold them, by the type of the value. Segment's code takes the
# function behind such a name for the value of the field. Nobody means it.
_OBJECTS = """
    constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toString valueOf toLocaleString __proto__
    __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__
"""
_LISTS = """
    at concat copyWithin fill find findIndex findLast findLastIndex lastIndexOf pop push reverse shift unshift slice
    sort splice includes indexOf join keys entries values forEach filter flat flatMap map every some reduce
    reduceRight toReversed toSorted toSpliced with
"""
_TEXTS = """
    anchor at big blink bold charAt charCodeAt codePointAt concat endsWith fontcolor fontsize fixed includes indexOf
    isWellFormed italics lastIndexOf link localeCompare match matchAll normalize padEnd padStart repeat replace
    replaceAll search slice small split strike sub substr substring sup startsWith toWellFormed trim trimStart
    trimLeft trimEnd trimRight toLocaleLowerCase toLocaleUpperCase toLowerCase toUpperCase
"""

OF_OBJECTS = frozenset(_OBJECTS.split())
_OF_LISTS = frozenset(_LISTS.split())
_OF_TEXTS = frozenset(_TEXTS.split())
_OF_NUMBERS = frozenset(("toExponential", "toFixed", "toPrecision"))
_BY_TYPE: dict[type, frozenset[str]] = {
    dict: OF_OBJECTS,
    list: OF_OBJECTS | _OF_LISTS,
    str: OF_OBJECTS | _OF_TEXTS,
    int: OF_OBJECTS | _OF_NUMBERS,
    float: OF_OBJECTS | _OF_NUMBERS,
    bool: OF_OBJECTS,
}


def is_inherited(value: object, name: str) -> bool:
    """Whether JavaScript finds something under a name that the value itself does not have."""
    return name in _BY_TYPE.get(value.__class__, ()) and (bool(value) or value.__class__ in (dict, list))


def _require_data(value: Any) -> None:
    if value is INHERITED:
        raise EvaluationError(NO_DATA)


def _reach(value: Any, name: str) -> Any:
    """`value[name]`. Raises EvaluationError where Segment's code would look into a function of JavaScript's."""
    found = member(value, name)
    if found is not UNDEFINED:
        return found
    _require_data(value)
    return INHERITED if is_inherited(value, name) else UNDEFINED


def _field(event: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The value that `names` lead to."""
    value: Any = event
    for name in names:
        value = _reach(value, name)
    return value


def _not_ir(value: list[Any]) -> bool:
    """False; an error of a list that Segment's code would evaluate."""
    if resembles_ir(value):
        raise EvaluationError("a list is written like a function of Segment's notation")
    return False


def _equal(left: Any, right: Any) -> bool:
    _require_plain(left, right)
    return is_equal(left, right)


def _compares(left: Any, operator: str, right: Any) -> bool:
    _require_plain(left, right)
    return compares(left, operator, right)


def _require_plain(*values: Any) -> None:
    for value in values:
        if value.__class__ is list:
            _not_ir(value)


def _holds(elements: Any, item: Any) -> bool:
    """Whether the list of a field holds the item."""
    if elements.__class__ is not list:
        raise EvaluationError("what stands behind in is not a list")
    return any(_equal(item, element) for element in elements)


def _is_in(item: Any, elements: list[Any]) -> bool:
    if item is INHERITED and any(element is INHERITED for element in elements):
        _require_data(item)
    return any(is_same(item, element) for element in elements)


HELPERS: dict[str, Any] = {
    "U": UNDEFINED,
    "reach": _reach,
    "field": _field,
    "not_ir": _not_ir,
    "f_equal": _equal,
    "f_compares": _compares,
    "is_equal": is_equal,
    "is_true": is_true,
    "holds": _holds,
    "is_in": _is_in,
} | {kind.__name__: kind for kind in (str, int, float, bool, dict, list)}
HELPERS |= {f"f_{name}": function for name, function in (OF_TSUB | OF_REFERENCE).items()}

"""What compiled statements call."""

from __future__ import annotations

from typing import Any

from stream.fql.errors import EvaluationError
from stream.fql.functions import OF_REFERENCE, OF_TSUB
from stream.fql.inherited import is_inherited
from stream.fql.ir import resembles_ir
from stream.fql.values import INHERITED, NO_DATA, UNDEFINED, compares, is_equal, is_same, is_true, member


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

"""Statements in the notation that Segment's `tsub` evaluates, and event data that `tsub` would take for it.

Where Segment's reference and `tsub` have different words for a type, the notation says what the reference means.
"""

from __future__ import annotations

from typing import Any

from stream.fql.nodes import Call, Compare, Condition, In, Junction, ListOf, Not, Path, Value

_LENGTHS = {"lowercase": 2, "length": 2, "typeof": 2, "contains": 3, "match": 3, "semver": 4}
"""Functions that `tsub` evaluates inside a comparison, by how long their lists are."""
REFERENCE_TYPES = ("list", "bool", "null")
"""What the reference's `typeof` says and `tsub`'s never does."""


def to_ir(part: Condition) -> Any:
    """The IR: paths as dotted text, literals as {"value": …}, everything else as a list with its operator first."""
    match part:
        case Value(value=value):
            return {"value": value}
        case ListOf(items=items):
            return {"value": [to_ir(item) for item in items]}
        case Path(names=names):
            return ".".join(names)
        case Call(function=function, arguments=arguments):
            return [function, *map(to_ir, arguments)]
        case Compare():
            return _compare(part)
        case In(item=item, of=of):
            return ["in", to_ir(item), to_ir(of)]
        case Not(condition=condition):
            return ["!", to_ir(condition)]
        case Junction(word=word, conditions=conditions):
            return [word, *map(to_ir, conditions)]


def resembles_ir(value: list[Any]) -> bool:
    """Whether `tsub` takes a list of an event for a function of its own and evaluates it."""
    return bool(value) and value[0].__class__ is str and _LENGTHS.get(value[0]) == len(value)


def reference_type(part: Compare) -> tuple[Path | Value, str] | None:
    """What is tested for a type that only the reference names, and the type; None for other comparisons."""
    left, right = (part.right, part.left) if isinstance(part.left, Value) else (part.left, part.right)
    if part.operator not in ("=", "!=") or not (isinstance(left, Call) and left.function == "typeof"):
        return None
    subject = left.arguments[0]
    if not isinstance(subject, Path | Value) or not isinstance(right, Value) or right.value not in REFERENCE_TYPES:
        return None
    return subject, str(right.value)


def _compare(part: Compare) -> Any:
    tested = reference_type(part)
    if tested is None:
        return [part.operator, to_ir(part.left), to_ir(part.right)]
    is_type = _is_of_type(to_ir(tested[0]), tested[1])
    return is_type if part.operator == "=" else ["!", is_type]


def _is_of_type(subject: Any, type_: str) -> Any:
    is_null = ["=", subject, {"value": None}]
    if type_ == "bool":
        return ["=", ["typeof", subject], {"value": "boolean"}]
    if type_ == "null":
        return ["or", is_null, ["=", ["typeof", subject], {"value": "undefined"}]]
    return [
        "and",
        ["=", ["typeof", subject], {"value": "object"}],
        ["!", is_null],
        [">=", ["length", subject], {"value": 0}],
    ]

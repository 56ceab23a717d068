"""Statements that can be used, and hardly say what was meant: those that are never true, and parts that Segment's
code does not evaluate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from stream.fql.compile import compile_condition
from stream.fql.errors import EvaluationError
from stream.fql.fields import FieldFault, fault_within_text
from stream.fql.functions import OF_TSUB
from stream.fql.glob import is_malformed
from stream.fql.nodes import Call, Compare, Condition, In, Junction, ListOf, Not, Path, Value

_IN_A_TEXT = re.compile(r"length|[0-9]+")
"""What Segment's code finds in a text: how long it is, and its characters."""
_TYPES = frozenset(("string", "number", "boolean", "object", "undefined", "list", "bool", "null"))
_OTHER = "\0other"
"""Stands for every text that the statement does not name."""
WantsType = Callable[[str], bool]
"""Whether events of this type, as it stands in the event, come at all."""


def never_true(condition: Condition, types: Iterable[str], wants: WantsType) -> bool:
    """Whether no event can make the statement true, as far as it can be seen.

    `types` are the known ones; those that the statement names are looked at as well.
    """
    named = {value for value in _literals(condition) if isinstance(value, str)}
    candidates = [type_ for type_ in {*types, *named, _OTHER} if wants(type_)]
    return all(_truth(condition, type_) is False for type_ in candidates)


def always_true(condition: Condition, types: Iterable[str], wants: WantsType) -> bool:
    """Whether every event makes the statement true, as far as it can be seen."""
    named = {value for value in _literals(condition) if isinstance(value, str)}
    candidates = [type_ for type_ in {*types, *named, _OTHER} if wants(type_)]
    return bool(candidates) and all(_truth(condition, type_) is True for type_ in candidates)


def top_fields(condition: Condition) -> set[str]:
    """The fields at the top of the event that the statement reads."""
    return {path.names[0] for path in _paths(condition)}


def impossible_field(condition: Condition) -> tuple[Path, FieldFault] | None:
    """A field of the statement that no event can have, and why; None when each may be there."""
    for path in _paths(condition):
        if len(path.names) > 1 and not _IN_A_TEXT.fullmatch(path.names[1]):
            fault = fault_within_text(path.names)
            if fault is not None:
                return path, fault
    return None


def remarks(condition: Condition) -> Iterator[tuple[str, int]]:
    """What parts of the statement hardly are what was meant, each with its place."""
    for part in _parts(condition):
        match part:
            case Call(function=function, arguments=arguments) if function in OF_TSUB:
                for argument in arguments:
                    if isinstance(argument, Call) and argument.function in OF_TSUB:
                        what = f"{argument.function}(…) is not evaluated inside {function}(…), as in Segment's own code"
                        yield what, argument.start
                pattern = arguments[1] if function == "match" else None
                if isinstance(pattern, Value) and isinstance(pattern.value, str) and is_malformed(pattern.value):
                    yield "the pattern matches nothing: a bracket or backslash in it has no end", pattern.start
            case Compare(left=Call(function="typeof"), right=Value(value=str(name)), start=start):
                if name not in _TYPES:
                    yield f"typeof never says {name!r}; it says {', '.join(sorted(_TYPES))}", start
            case Compare(operator="=" | "!=", left=Path(), right=ListOf(start=start)):
                yield "a field's list never equals one that is written out, as in Segment's own code; use in", start
            case Path(names=names, start=start) if any("." in name for name in names):
                yield "a name with a dot in it cannot be reached, as in Segment's own code", start


def _truth(condition: Condition, type_: str) -> bool | None:
    """What the statement says of an event of which only the type is known; None: that depends."""
    match condition:
        case Junction(word=word, conditions=conditions):
            decides = word == "or"
            truths = [_truth(each, type_) for each in conditions]
            if decides in truths:
                return decides
            if word == "and" and _contradicts(conditions):
                return False
            return None if None in truths else not decides
        case Not(condition=inner):
            truth = _truth(inner, type_)
            return None if truth is None else not truth
    if any(path.names != ("type",) for path in _paths(condition)):
        return False if _cannot_hold(condition) else None
    try:
        return bool(compile_condition(condition)({"type": type_}))
    except EvaluationError:
        return False


def _cannot_hold(condition: Condition) -> bool:
    """Whether no value of its fields makes a comparison true."""
    match condition:
        case Compare(operator="<" | "<=" | ">" | ">=", left=left, right=right):
            return any(isinstance(side, ListOf) or _is_no_number(side) for side in (left, right))
        case Compare(operator="=", left=Path(), right=ListOf()):
            return True
        case Compare(operator="=", left=Call(function="typeof"), right=Value(value=name)):
            return name not in _TYPES
        case Call(function="contains" | "match" | "semver", arguments=arguments):
            return any(isinstance(each, Call) and each.function in OF_TSUB for each in arguments) or any(
                isinstance(each, Value) and not isinstance(each.value, str) for each in arguments
            )
        case In(of=ListOf(items=())):
            return True
        case Call(function="lowercase" | "length" | "typeof"):
            return False
    return False


def _is_no_number(side: Any) -> bool:
    if isinstance(side, Value):
        return isinstance(side.value, bool) or not isinstance(side.value, int | float)
    return isinstance(side, Call) and side.function in ("lowercase", "typeof", "contains", "match", "semver")


def _contradicts(conditions: Iterable[Condition]) -> bool:
    """Whether two of them want different values of one field."""
    wanted: dict[tuple[str, ...], Any] = {}
    for each in conditions:
        if isinstance(each, Compare) and each.operator == "=":
            left, right = (each.right, each.left) if isinstance(each.left, Value) else (each.left, each.right)
            if isinstance(left, Path) and isinstance(right, Value):
                value = (type(right.value), right.value)
                if wanted.setdefault(left.names, value) != value:
                    return True
    return False


def _parts(part: Condition) -> Iterator[Condition]:
    yield part
    for inner in _inner(part):
        yield from _parts(inner)


def _inner(part: Condition) -> tuple[Condition, ...]:
    match part:
        case Junction(conditions=conditions):
            return conditions
        case Not(condition=condition):
            return (condition,)
        case Compare(left=left, right=right):
            return left, right
        case In(item=item, of=of):
            return item, of
        case Call(arguments=arguments):
            return arguments
        case ListOf(items=items):
            return items
    return ()


def _paths(condition: Condition) -> Iterator[Path]:
    return (part for part in _parts(condition) if isinstance(part, Path))


def _literals(condition: Condition) -> Iterator[object]:
    return (part.value for part in _parts(condition) if isinstance(part, Value))

"""A parsed statement as the nested lists that Segment's `tsub` evaluates (its intermediate representation)."""

from __future__ import annotations

from typing import Any

from stream.fql.nodes import Call, Compare, Condition, In, Junction, ListOf, Not, Path, Value


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
        case Compare(operator=operator, left=left, right=right):
            return [operator, to_ir(left), to_ir(right)]
        case In(item=item, of=of):
            return ["in", to_ir(item), to_ir(of)]
        case Not(condition=condition):
            return ["!", to_ir(condition)]
        case Junction(word=word, conditions=conditions):
            return [word, *map(to_ir, conditions)]

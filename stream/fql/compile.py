"""A parsed statement as one Python function: no tree is walked for an event. And which part of one decided.

The text of the function is made of parts of the statement whose every name and literal is quoted by `repr` or kept
apart as a constant, so a statement cannot say anything but FQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, cast

from stream.fql.errors import EvaluationError
from stream.fql.evaluation import HELPERS, OF_OBJECTS
from stream.fql.functions import OF_TSUB
from stream.fql.glob import matcher, plain_shape
from stream.fql.ir import reference_type, to_ir
from stream.fql.nodes import Call, Compare, Condition, In, Junction, ListOf, Not, Operand, Path, Value
from stream.fql.parser import parse
from stream.fql.values import is_equal

Holds = Callable[[dict[str, Any]], bool]
"""Whether a statement is true of an event's payload. Raises EvaluationError where it has no value."""

_EXACT_BELOW = 2**53
_BOOLEAN = ("contains", "match", "semver", "bool")
_DEEPEST = 12
"""Levels of conditions in one function, names of a path in one expression: Python's parser bears some 60."""
_SHAPES = {
    "equals": "{value} == {text}",
    "starts": "{value}.startswith({text})",
    "ends": "{value}.endswith({text})",
    "holds": "{text} in {value}",
}


@lru_cache(1_024)
def compiled(statement: str) -> Holds:
    """The statement's function; the same statement has the same one. Raises FqlError."""
    return compile_condition(parse(statement))


def compile_condition(condition: Condition, *, is_whole: bool = True) -> Holds:
    """One function for a condition. A whole statement counts only when it is true itself, not like true."""
    coder = _Coder()
    code = coder.condition(condition)
    is_truth = (
        not is_whole or not isinstance(condition, Call) or condition.function in ("contains", "match", "semver", "bool")
    )
    source = f"lambda e: {code}" if is_truth else f"lambda e: ({code}) and False"
    return cast(Holds, eval(source, coder.names))  # noqa: S307 - every name and literal in it is quoted


class _Coder:
    """Writes the function's text, and keeps what it names."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__builtins__": {}} | HELPERS
        self._numbers = count()
        self._depth = 0

    def condition(self, part: Condition) -> str:
        """Code that is true when the part holds."""
        match part:
            case Junction() | Not():
                return self._nested(part)
            case Compare():
                return self._compare(part)
            case In(item=item, of=of):
                return self._in(item, of)
            case Call():
                return self._call(part) if part.function in _BOOLEAN else f"is_true({self._call(part)})"
            case Path():
                return f"({self._operand(part)} is True)"
            case _:
                return repr(isinstance(part, Value) and part.value is True)

    def _nested(self, part: Junction | Not) -> str:
        if self._depth == _DEEPEST:
            return f"{self._constant(compile_condition(part, is_whole=False))}(e)"
        self._depth += 1
        inner = part.conditions if isinstance(part, Junction) else (part.condition,)
        codes = [self.condition(each) for each in inner]
        self._depth -= 1
        return f"({f' {part.word} '.join(codes)})" if isinstance(part, Junction) else f"(not {codes[0]})"

    # Comparisons.

    def _compare(self, part: Compare) -> str:
        if part.operator in ("=", "!="):
            equal = self._type_of_reference(part) or self._equal(part.left, part.right)
            return equal if part.operator == "=" else f"(not {equal})"
        value, limit = self._operand(part.left), part.right
        if isinstance(limit, Value) and _is_exact(limit.value):
            name = self._name()
            of_number = f"({name} := {value}).__class__ is int or {name}.__class__ is float"
            return f"({name} {part.operator} {limit.value!r} if {of_number} else {self._refuted(part.left, name)})"
        return f"f_compares({value}, {part.operator!r}, {self._operand(limit)})"

    def _equal(self, left: Operand, right: Operand) -> str:
        if isinstance(left, Value):
            left, right = right, left
        if not isinstance(right, Value):
            return f"f_equal({self._operand(left)}, {self._operand(right)})"
        if isinstance(left, Value):
            return repr(is_equal(left.value, right.value))
        value, literal = self._operand(left), right.value
        if not isinstance(left, Path | ListOf):
            return f"({self._equal_literal(value, literal)})"
        name = self._name()
        return f"({self._equal_literal(f'({name} := {value})', literal)} or {self._refuted(left, name)})"

    def _equal_literal(self, value: str, literal: object) -> str:
        if isinstance(literal, str):
            return f"{value} == {literal!r}"
        if literal is None or isinstance(literal, bool):
            return f"{value} is {literal!r}"
        if _is_exact(literal):
            name = self._name()
            return f"({name} := {value}) == {literal!r} and {name}.__class__ is not bool"
        return f"is_equal({value}, {self._constant(literal)})"

    def _refuted(self, part: Operand, name: str) -> str:
        """Code for a value that the comparison does not hold for: false, unless `tsub` would evaluate it first."""
        return f"({name}.__class__ is list and not_ir({name}))" if isinstance(part, Path | ListOf) else "False"

    def _type_of_reference(self, part: Compare) -> str:
        tested = reference_type(part)
        if tested is None:
            return ""
        value, type_ = self._operand(tested[0]), tested[1]
        if type_ == "null":
            name = self._name()
            return f"(({name} := {value}) is None or {name} is U)"
        return f"({value}.__class__ is {type_})"

    def _in(self, item: Operand, of: ListOf | Path) -> str:
        if isinstance(of, Path):
            return f"holds({self._operand(of)}, {self._operand(item)})"
        value = self._argument(item)
        literals = [each.value for each in of.items if isinstance(each, Value) and isinstance(each.value, str)]
        if len(literals) == len(of.items):
            name = self._name()
            return f"(({name} := {value}).__class__ is str and {name} in {self._constant(frozenset(literals))})"
        return f"is_in({value}, [{', '.join(map(self._argument, of.items))}])"

    # Operands.

    def _operand(self, part: Condition) -> str:
        """Code of the part's value."""
        match part:
            case Path(names=names):
                return self._path(".".join(names).split("."))
            case Value(value=value):
                return self._constant(value)
            case ListOf():
                return self._constant(to_ir(part)["value"])
            case Call():
                return self._call(part)
        raise AssertionError(f"{part} is not an operand")

    def _argument(self, part: Operand) -> str:
        """Code of what Segment's code is given where it evaluates no function: the IR's list."""
        if isinstance(part, Call) and part.function in OF_TSUB:
            return self._constant(to_ir(part))
        return self._operand(part)

    def _path(self, names: list[str]) -> str:
        if len(names) > _DEEPEST:
            return f"field(e, {self._constant(tuple(names))})"
        code = "e"
        for name in names[:-1]:
            code = self._step(code, name, "")
        return self._step(code, names[-1], ", U")

    def _step(self, code: str, name: str, default: str) -> str:
        if name in OF_OBJECTS:
            return f"reach({code}, {name!r})"
        if code == "e":
            return f"e.get({name!r}{default})"
        held = self._name()
        get = f"{held}.get({name!r}{default})"
        return f"({get} if ({held} := {code}).__class__ is dict else reach({held}, {name!r}))"

    def _call(self, part: Call) -> str:
        literal = part.arguments[1] if len(part.arguments) > 1 else None
        if part.function in ("contains", "match") and isinstance(literal, Value) and isinstance(literal.value, str):
            return self._text_test(part.function, self._argument(part.arguments[0]), literal.value)
        of = self._argument if part.function in OF_TSUB else self._operand
        return f"f_{part.function}({', '.join(map(of, part.arguments))})"

    def _text_test(self, function: str, value: str, literal: str) -> str:
        name = self._name()
        shape = ("holds", literal) if function == "contains" else plain_shape(literal)
        if shape is None:
            test = f"{self._constant(matcher(literal))}({name})"
        else:
            test = _SHAPES[shape[0]].format(value=name, text=repr(shape[1]))
        return f"(({name} := {value}).__class__ is str and {test})"

    def _constant(self, value: Any) -> str:
        if value is None or isinstance(value, str | bool):
            return repr(value)
        name = f"k{next(self._numbers)}"
        self.names[name] = value
        return name

    def _name(self) -> str:
        return f"v{next(self._numbers)}"


def _is_exact(value: object) -> bool:
    """Whether comparing with it needs no rounding to a double first."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_EXACT_BELOW < value < _EXACT_BELOW


class Decision(NamedTuple):
    """What a statement says of an event. `parts` are the comparisons that made it so, and whether each is true."""

    holds: bool
    parts: tuple[tuple[str, bool], ...]
    error: str = ""
    """Why it says nothing: then it does not hold."""


def decide(statement: str, event: dict[str, Any]) -> Decision:
    """The verdict, and what decided. Raises FqlError."""
    condition = parse(statement)
    try:
        holds = bool(compile_condition(condition)(event))
        deciding = list(_deciding(condition, event))
    except EvaluationError as error:
        return Decision(False, (), str(error))
    return Decision(holds, tuple((statement[part.start : part.end], _truth(part, event)) for part in deciding))


def _deciding(condition: Condition, event: dict[str, Any]) -> Iterator[Condition]:
    """Of `and` the first part that does not hold, of `or` the first that does, else all of them."""
    match condition:
        case Not(condition=inner) if isinstance(inner, Junction | Not):
            yield from _deciding(inner, event)
        case Junction(word=word, conditions=conditions):
            decides = word == "or"
            found = next((each for each in conditions if _truth(each, event) is decides), None)
            for each in conditions if found is None else [found]:
                yield from _deciding(each, event)
        case _:
            yield condition


def _truth(condition: Condition, event: dict[str, Any]) -> bool:
    return bool(compile_condition(condition, is_whole=False)(event))

"""From tokens to the parts of a statement: `!` binds closest, then comparisons, then `and`, then `or`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, cast

from stream.fql.errors import FqlError
from stream.fql.glob import fault_of
from stream.fql.lexer import Kind, Token, lex
from stream.fql.nodes import Call, Compare, Condition, In, Junction, ListOf, Not, Operand, Operator, Path, Value

MAX_DEPTH = 100
"""Levels of brackets; deeper ones are refused."""

FUNCTIONS = {"contains": 2, "match": 2, "semver": 3, "lowercase": 1, "typeof": 1, "length": 1} | dict.fromkeys(
    ("uppercase", "snakecase", "kebabcase", "titlecase", "bool", "string", "number"), 1
)
"""Functions by how many arguments each takes."""
_COMPARING = ("=", "!=", "<", "<=", ">", ">=")
_OPENING = {Kind.PAREN_LEFT: 1, Kind.BRACKET_LEFT: 1, Kind.PAREN_RIGHT: -1, Kind.BRACKET_RIGHT: -1}
_BOOLEANS = {"true": True, "false": False}


def parse(statement: str) -> Condition:
    """The parsed statement. Raises FqlError."""
    tokens = lex(statement)
    _require_shallow(tokens)
    return _Parser(tokens).statement()


def _require_shallow(tokens: list[Token]) -> None:
    depth = 0
    for token in tokens:
        depth += _OPENING.get(token.kind, 0)
        if depth > MAX_DEPTH:
            raise FqlError(f"has more than {MAX_DEPTH} levels of brackets.", token.start, "Remove brackets.")


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def statement(self) -> Condition:
        if len(self._tokens) == 1:
            raise FqlError("is empty.", 0, "Write a condition, such as type = 'track', or leave it out.")
        condition = self._junction("or")
        if self._next.kind is not Kind.END:
            self._refuse_rest()
        return condition

    # Conditions.

    def _junction(self, word: Literal["and", "or"]) -> Condition:
        conditions = [self._of_junction(word)]
        while self._next.kind is Kind.CONDITIONAL and self._next.value == word:
            self._take()
            conditions.append(self._of_junction(word))
        if len(conditions) == 1:
            return conditions[0]
        return Junction(conditions[0].start, conditions[-1].end, word, tuple(conditions))

    def _of_junction(self, word: Literal["and", "or"]) -> Condition:
        return self._junction("and") if word == "or" else self._condition()

    def _condition(self) -> Condition:
        token = self._next
        if token.kind is Kind.OPERATOR and token.value == "!":
            return self._negated()
        if token.kind is Kind.PAREN_LEFT:
            condition = self._bracketed()
            self._refuse_comparison("a condition in brackets", "Compare inside the brackets.")
            return condition
        return self._comparison()

    def _negated(self) -> Not:
        start = self._take().start
        condition = self._bracketed() if self._next.kind is Kind.PAREN_LEFT else self._operand()
        self._refuse_comparison("what is negated", "Put brackets around the comparison: !(type = 'track').")
        return Not(start, self._end, condition)

    def _bracketed(self) -> Condition:
        opening = self._take()
        condition = self._junction("or")
        if self._next.kind is not Kind.PAREN_RIGHT:
            if self._next.kind is Kind.END:
                raise FqlError("has a bracket that is not closed.", opening.start, "Add ).")
            self._refuse_rest()
        self._take()
        return condition

    def _refuse_comparison(self, what: str, fix: str) -> None:
        if self._is_comparing():
            raise FqlError(f"compares {what}.", self._next.start, fix)

    def _is_comparing(self) -> bool:
        token = self._next
        is_operator = token.kind is Kind.OPERATOR and token.value in _COMPARING
        return is_operator or (token.kind is Kind.IDENT and token.value == "in")

    def _comparison(self) -> Condition:
        left = self._operand()
        if not self._is_comparing():
            return left
        operator = self._take()
        condition = self._in(left) if operator.value == "in" else self._compare(left, operator)
        self._refuse_comparison("twice", "Join two comparisons with and.")
        return condition

    def _compare(self, left: Operand, operator: Token) -> Compare:
        if self._next.kind is Kind.OPERATOR:
            fix = f"Put a space behind {operator.value}{self._next.value}."
            raise FqlError("has an operator behind an operator.", self._next.start, fix)
        right = self._operand()
        return Compare(left.start, right.end, cast(Operator, operator.value), left, right)

    def _in(self, item: Operand) -> In:
        of = self._operand()
        if not isinstance(of, ListOf | Path):
            raise FqlError("has no list behind in.", of.start, "Write a list, ['a', 'b'], or a field that holds one.")
        return In(item.start, of.end, item, of)

    # Operands.

    def _operand(self) -> Operand:
        token = self._take()
        if token.kind is Kind.STRING:
            return Value(token.start, token.end, token.value[1:-1])
        if token.kind is Kind.NUMBER:
            return Value(token.start, token.end, _number(token))
        if token.kind is Kind.NULL:
            return Value(token.start, token.end, None)
        if token.kind is Kind.BRACKET_LEFT:
            return self._list(token)
        if token.kind is Kind.IDENT:
            return self._named(token)
        raise _unexpected(token, "a field, a value or a function")

    def _list(self, opening: Token) -> ListOf:
        items: list[Operand] = []
        while self._next.kind is not Kind.BRACKET_RIGHT or items:
            items.append(self._operand())
            if self._next.kind is Kind.BRACKET_RIGHT:
                break
            self._expect_comma(opening, "list", "]")
        self._take()
        return ListOf(opening.start, self._end, tuple(items))

    def _expect_comma(self, opening: Token, of: str, closing: str) -> None:
        if self._next.kind is Kind.END:
            raise FqlError(f"has a {of} that is not closed.", opening.start, f"Add {closing}.")
        if self._next.kind is not Kind.COMMA:
            raise _unexpected(self._next, f"a comma or {closing}")
        self._take()

    def _named(self, token: Token) -> Operand:
        if self._next.kind is Kind.PAREN_LEFT:
            return self._call(token)
        names = [token.value]
        while self._next.kind is Kind.DOT:
            dot = self._take()
            names.append(self._name_behind(dot))
        if len(names) == 1 and token.value in _BOOLEANS:
            return Value(token.start, token.end, _BOOLEANS[token.value])
        return Path(token.start, self._end, tuple(names))

    def _name_behind(self, dot: Token) -> str:
        token = self._next
        if token.kind is Kind.NUMBER:
            fix = f"Escape the number: \\{token.value.split('.')[0]}."
            raise FqlError("has a number for a field's name.", token.start, fix)
        if token.kind in (Kind.CONDITIONAL, Kind.NULL):
            raise FqlError(f"has {token.value} for a field's name.", token.start, f"Escape it: \\{token.value}.")
        if token.kind is not Kind.IDENT:
            raise FqlError("has a dot without a name behind it.", dot.start, "Remove the dot, or write the name.")
        return self._take().value

    def _call(self, name: Token) -> Call:
        if name.value not in FUNCTIONS:
            raise _unknown_function(name)
        opening = self._take()
        arguments: list[Operand] = []
        while self._next.kind is not Kind.PAREN_RIGHT or arguments:
            arguments.append(self._operand())
            if self._next.kind is Kind.PAREN_RIGHT:
                break
            self._expect_comma(opening, "bracket", ")")
        self._take()
        _require_matchable(name.value, arguments)
        if len(arguments) != FUNCTIONS[name.value]:
            what = f"gives {name.value} {len(arguments)} arguments; it takes {FUNCTIONS[name.value]}."
            raise FqlError(what, name.start)
        return Call(name.start, self._end, name.value, tuple(arguments))

    # Tokens.

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _take(self) -> Token:
        token = self._tokens[self._position]
        if token.kind is not Kind.END:
            self._position += 1
        return token

    @property
    def _end(self) -> int:
        """Where the last token that was taken ends."""
        return self._tokens[self._position - 1].end

    def _refuse_rest(self) -> None:
        token = self._next
        if token.kind is Kind.PAREN_RIGHT:
            raise FqlError("has a closing bracket without its opening one.", token.start, "Remove it.")
        if token.kind is Kind.IDENT and token.value.lower() in ("and", "or"):
            fix = f"Write {token.value.lower()} in lower case, with a space behind it."
            raise FqlError(f"has {token.value} where and or or belongs.", token.start, fix)
        raise _unexpected(token, "an operator, and, or or the end")


def _require_matchable(function: str, arguments: list[Operand]) -> None:
    pattern = arguments[1] if function == "match" and len(arguments) > 1 else None
    if isinstance(pattern, Value) and isinstance(pattern.value, str) and (fault := fault_of(pattern.value)):
        raise FqlError(fault, pattern.start, "Match with several shorter patterns, joined by or.")


def _number(token: Token) -> int | float:
    try:
        return float(token.value) if "." in token.value or len(token.value) > 16 else int(token.value)
    except ValueError:
        raise FqlError("has a sign without a number.", token.start, "Write the digits behind it.") from None


def _unexpected(token: Token, wanted: str) -> FqlError:
    found = "the end" if token.kind is Kind.END else token.value
    fix = "Text needs a space, a comma or a bracket behind it." if token.kind is Kind.STRING else ""
    return FqlError(f"has {found} where {wanted} belongs.", token.start, fix)


def _unknown_function(name: Token) -> FqlError:
    if name.value in ("and", "or"):
        return FqlError(f"has {name.value} without a space behind it.", name.start, f"Put a space behind {name.value}.")
    near = get_close_matches(name.value, FUNCTIONS, n=1)
    fix = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(FUNCTIONS)}."
    return FqlError(f"has a function that FQL does not know: {name.value}.", name.start, fix)

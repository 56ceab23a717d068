"""From a statement to tokens, as Segment's own lexer (`@segment/fql-ts`) cuts them.

It is particular about white space: `!=`, `>=` and `<=` need one behind them, `>` and `<` one before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from stream.fql.errors import FqlError

MAX_CHARS = 65_536
"""A longer statement is refused."""

_WHITE = " \t\n"
_ENDS = frozenset((*_WHITE, ",", "]", ")", ""))
"""What may follow a word or an operator of two characters; the empty text is the statement's end."""
_AFTER_IDENT = _ENDS | frozenset(".(=!")
_ALPHA = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")
_STARTS_IDENT = _ALPHA | frozenset("\\_")
_NAME_PART = re.compile(r"\\(.)|[A-Za-z0-9_-]+", re.DOTALL)
_BEYOND_UTF16 = 0x10000


class Kind(StrEnum):
    """Kinds of tokens, by the names that Segment's lexer gives them."""

    IDENT = "ident"
    DOT = "dot"
    OPERATOR = "operator"
    CONDITIONAL = "conditional"
    STRING = "string"
    NUMBER = "number"
    NULL = "null"
    BRACKET_LEFT = "brackleft"
    BRACKET_RIGHT = "brackright"
    PAREN_LEFT = "parenleft"
    PAREN_RIGHT = "parenright"
    COMMA = "comma"
    END = "eos"


class Token(NamedTuple):
    """A token and where it is in the statement. A string's value has its quotes."""

    kind: Kind
    value: str
    start: int
    end: int


_SINGLE = {
    ".": Kind.DOT,
    "[": Kind.BRACKET_LEFT,
    "]": Kind.BRACKET_RIGHT,
    ",": Kind.COMMA,
    "(": Kind.PAREN_LEFT,
    ")": Kind.PAREN_RIGHT,
}
_WORDS = {"and": Kind.CONDITIONAL, "or": Kind.CONDITIONAL, "null": Kind.NULL}


def lex(statement: str) -> list[Token]:
    """The tokens, the last of kind END. Raises FqlError."""
    if len(statement) > MAX_CHARS:
        what = f"has {len(statement)} characters; the limit is {MAX_CHARS}."
        raise FqlError(what, MAX_CHARS, "Split it over several filters, or match with a pattern instead of a list.")
    return list(_tokens(statement))


def _tokens(code: str) -> Iterator[Token]:
    at = 0
    while at < len(code):
        if code[at] in _WHITE:
            at += 1
            continue
        token = _token(code, at)
        yield token
        at = token.end
    yield Token(Kind.END, "eos", at, at)


def _token(code: str, at: int) -> Token:
    char = code[at]
    if char in _SINGLE:
        return Token(_SINGLE[char], char, at, at + 1)
    if char == "!":
        return _not(code, at)
    if char in "=<>":
        return _comparison(code, at)
    if char in _STARTS_IDENT:
        return _word(code, at)
    if char in _DIGITS or char in "+-":
        return _number(code, at)
    if char in "'\"":
        return _string(code, at)
    raise FqlError(f"has a character that FQL does not know: {char!r}.", at, _hint_for(char))


def _hint_for(char: str) -> str:
    hints = {
        "&": "Write and.",
        "|": "Write or.",
        "\r": "End lines with a newline alone.",
        "$": "A path begins with a field of the event, such as properties.total.",
        "`": "Put text in single quotes.",
        "*": "Patterns are text: match(event, 'Order *').",
    }
    return hints.get(char, "In a field's name escape it with a backslash; put text in quotes.")


def _not(code: str, at: int) -> Token:
    following = code[at + 1 : at + 2]
    if following in _ALPHA or following == "(":
        return Token(Kind.OPERATOR, "!", at, at + 1)
    if following == "=" and code[at + 2 : at + 3] in _ENDS:
        return Token(Kind.OPERATOR, "!=", at, at + 2)
    if following == "=":
        raise FqlError("has != without a space behind it.", at + 2, "Put a space behind !=.")
    raise FqlError(
        "has ! before what it cannot negate.", at, "Write it right before a field, a function or an opening bracket."
    )


def _comparison(code: str, at: int) -> Token:
    is_double = code[at] != "=" and code[at + 1 : at + 2] == "=" and code[at + 2 : at + 3] in _ENDS
    end = at + 1 + is_double
    return Token(Kind.OPERATOR, code[at:end], at, end)


def _word(code: str, at: int) -> Token:
    for word, kind in _WORDS.items():
        if code.startswith(word, at) and code[at + len(word) : at + len(word) + 1] in _ENDS:
            return Token(kind, word, at, at + len(word))
    return _ident(code, at)


def _ident(code: str, start: int) -> Token:
    parts, at = [], start
    while found := _NAME_PART.match(code, at):
        parts.append(found[1] or found[0])
        if ord(parts[-1][0]) >= _BEYOND_UTF16:
            raise FqlError("escapes a character beyond U+FFFF, which Segment's lexer refuses.", at)
        at = found.end()
    following = code[at : at + 1]
    if following == "\\":
        raise FqlError("ends with a backslash.", at, "Write the character that it escapes behind it.")
    if following not in _AFTER_IDENT:
        raise FqlError("has no space behind a field's name.", at, _hint_behind_name(following))
    return Token(Kind.IDENT, "".join(parts), start, at)


def _hint_behind_name(char: str) -> str:
    if char in "<>":
        return "Put a space before < and >."
    if char == "[":
        return "An element of a list is named by a number, escaped: properties.products.\\0.price."
    return f"Put a space there, or escape the character in the name: \\{char}."


def _number(code: str, start: int) -> Token:
    at, has_point = start + 1, False
    while at < len(code) and (code[at] in _DIGITS or code[at] == "."):
        if code[at] == ".":
            if code[at + 1 : at + 2] in _ENDS:
                raise FqlError("has a number that ends with a decimal point.", at, "Remove the point.")
            if has_point:
                raise FqlError("has a number with two decimal points.", at, "Put text, such as a version, in quotes.")
            has_point = True
        at += 1
    return Token(Kind.NUMBER, code[start:at], start, at)


def _string(code: str, start: int) -> Token:
    end = code.find(code[start], start + 1)
    if end < 0:
        fix = f"Close it with {code[start]}, and put a space, a comma or a bracket behind it."
        raise FqlError("has a text without its end.", start, fix)
    is_closed = code[end + 1 : end + 2] in _ENDS  # else Segment's lexer takes the quote for one that opens a text
    return Token(Kind.STRING, code[start : end + 1], start, end + is_closed)

"""FQL's patterns, matched as Segment's code matches them, in time that no pattern can blow up.

`*` any characters, `?` one, `[a-z]` and `[^a-z]` one of a set, `\\x` the character x; the whole text must match.
A character is a UTF-16 unit. A malformed pattern matches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from stream.fql.errors import EvaluationError
from stream.fql.values import units

MAX_STARS = 32
"""Stars of a pattern, at most: there is no use for more."""
MAX_CHARS = 1_000
"""Characters of a pattern, at most."""

_SPECIAL = frozenset("*?[\\")
_NOTHING = re.compile(r"(?!)")
_MARK = re.compile(r"\\.|[\[\]]|\*+", re.DOTALL)
"""An escaped character, an end of a set, or stars."""

Matches = Callable[[str], bool]


def fault_of(pattern: str) -> str:
    """What keeps a pattern from being used; empty when it can be."""
    if len(pattern) > MAX_CHARS:
        return f"has a pattern of {len(pattern)} characters; the limit is {MAX_CHARS}."
    stars = len(_chunks(pattern)) - 1
    if stars > MAX_STARS:
        return f"has a pattern with {stars} stars; the limit is {MAX_STARS}."
    return ""


def is_malformed(pattern: str) -> bool:
    """Whether it matches nothing, since a bracket or a backslash in it has no end."""
    return any(_chunk_regex(chunk) is None for chunk in _chunks(units(pattern)))


def plain_shape(pattern: str) -> tuple[str, str] | None:
    """`("equals" | "starts" | "ends" | "holds", text)` of a pattern with stars at its ends alone, else None."""
    text = pattern.strip("*")
    if not text or _SPECIAL & set(text):
        return None
    starts, ends = pattern[0] != "*", pattern[-1] != "*"
    shape = {(True, True): "equals", (True, False): "starts", (False, True): "ends", (False, False): "holds"}
    return shape[starts, ends], text


@lru_cache(256)
def matcher(pattern: str) -> Matches:
    """A function that says whether a text matches. Raises EvaluationError for a pattern that is beyond the limits."""
    if fault := fault_of(pattern):
        raise EvaluationError(f"match {fault}")
    match = _regex(pattern).match
    return lambda text: match(units(text)) is not None


def _regex(pattern: str) -> re.Pattern[str]:
    """Each piece between stars is searched for once, from where the one before it ended: nothing is tried again."""
    chunks = [_chunk_regex(chunk) for chunk in _chunks(units(pattern))]
    if None in chunks:
        return _NOTHING
    first, *others = chunks
    parts = [str(first)]
    parts += [f"(?>.*?{chunk})" for chunk in others[:-1]]
    parts += [f".*{chunk}" for chunk in others[-1:]]
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def _chunks(pattern: str) -> list[str]:
    """The pieces between stars; stars that follow one another are one, and one in a set or escaped is none."""
    chunks, start, is_set = [], 0, False
    for token in _MARK.finditer(pattern):
        if token[0] in "[]":
            is_set = token[0] == "["
        elif token[0][0] == "*" and not is_set:
            chunks.append(pattern[start : token.start()])
            start = token.end()
    return [*chunks, pattern[start:]]


def _chunk_regex(chunk: str) -> str | None:
    """A piece without stars as a regular expression; None when it is malformed."""
    parts, at = [], 0
    while at < len(chunk):
        char = chunk[at]
        if char == "[":
            found = _set_regex(chunk, at + 1)
            if found is None:
                return None
            part, at = found
            parts.append(part)
            continue
        if char == "\\":
            at += 1
            if at == len(chunk):
                return None
        parts.append("." if char == "?" else re.escape(chunk[at]))
        at += 1
    return "".join(parts)


def _set_regex(chunk: str, at: int) -> tuple[str, int] | None:
    """The set that begins behind its bracket, and where it ends."""
    is_negated = chunk[at : at + 1] == "^"
    at += is_negated
    ranges: list[str] = []
    count = 0
    while not (chunk[at : at + 1] == "]" and count):
        low = _set_char(chunk, at)
        if low is None:
            return None
        char, at = low
        last = char
        if chunk[at : at + 1] == "-":
            high = _set_char(chunk, at + 1)
            if high is None:
                return None
            last, at = high
        if char <= last:
            ranges.append(f"{re.escape(char)}-{re.escape(last)}")
        count += 1
    return _set_of(ranges, is_negated), at + 1


def _set_of(ranges: list[str], is_negated: bool) -> str:
    if not ranges:
        return "." if is_negated else "(?!)"
    return f"[{'^' if is_negated else ''}{''.join(ranges)}]"


def _set_char(chunk: str, at: int) -> tuple[str, int] | None:
    """A character of a set, escaped or not, and where it ends; something must follow it."""
    if chunk[at : at + 1] in ("", "-", "]"):
        return None
    at += chunk[at] == "\\"
    if at + 1 >= len(chunk):
        return None
    return chunk[at], at + 1

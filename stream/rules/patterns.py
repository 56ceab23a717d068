"""Shell-style patterns that hardly mean what their writer meant."""

from __future__ import annotations

import fnmatch
import re

_CLASS = re.compile(r"\[!?+\]?+[^\]]*+\]")
"""Brackets and what is between them, as fnmatch pairs them."""
_WORD = re.compile(r"[^\W\d_]{3}")
_BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")
_ESCAPE = re.compile(r"\\[][*?\\]")
_NOTHING = "(?!)"
"""What fnmatch translates a class without characters to."""


def doubt(pattern: str) -> str:
    """Why `pattern` probably matches something else than was meant, and what to write; empty when it looks right."""
    for found in _CLASS.finditer(pattern):
        literal = f'For the text write "{_literal(pattern, found.start())}".'
        if _NOTHING in fnmatch.translate(found[0]):
            return f'"{pattern}" matches nothing, since {found[0]} is a set without characters. {literal}'
        if _WORD.search(found[0]):
            return f'"{pattern}" matches one character of {found[0]}, not the text. {literal}'
    return _stray_bracket(pattern) or _other_language(pattern)


def _stray_bracket(pattern: str) -> str:
    at = _CLASS.sub(lambda found: "x" * len(found[0]), pattern).find("[")
    if at < 0:
        return ""
    return f'"{pattern}" has a [ without its ], which stands for itself. If so write "{_literal(pattern, at)}".'


def _other_language(pattern: str) -> str:
    if _BRACES.search(pattern):
        return f'"{pattern}" matches the braces as they stand. Write a pattern for each alternative.'
    if found := _ESCAPE.search(pattern):
        return f'"{pattern}" matches the backslash as it stands. For a plain {found[0][1]} write [{found[0][1]}].'
    return ""


def _literal(pattern: str, at: int) -> str:
    """`pattern` with the bracket at this place standing for itself."""
    return f"{pattern[:at]}[[]{pattern[at + 1 :]}"

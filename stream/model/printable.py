"""Text from outside, made fit to be printed: on one line, and without a word to the terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with everything that does not print written as an escape, so that a line stays one line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def printable_lines(text: str) -> str:
    """`printable`, but for the line breaks, which stay: for our own texts that quote others."""
    return "\n".join(map(printable, text.split("\n")))


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")

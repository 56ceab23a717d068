"""What can be wrong with a statement, and with an event that a statement cannot judge."""

from __future__ import annotations

_SHOWN = 60
"""Characters of a long statement that are shown around the place."""


class FqlError(ValueError):
    """A statement that cannot be used.

    `at` is the position in the statement, `fix` what to write instead.
    """

    def __init__(self, what: str, at: int, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.at = at
        self.fix = fix


class EvaluationError(Exception):
    """An event on which a statement has no value: where Segment's own code throws."""


def caret(statement: str, at: int) -> str:
    """The line of the statement that holds `at`, and below it a caret at that place. Long lines are cut."""
    start = statement.rfind("\n", 0, at) + 1
    end = statement.find("\n", at)
    line = statement[start : len(statement) if end < 0 else end]
    column = at - start
    left = max(0, column - _SHOWN)
    shown = line[left : column + _SHOWN].replace("\t", " ").replace("\r", " ")
    before, after = "…" if left else "", "…" if column + _SHOWN < len(line) else ""
    return f"{before}{shown}{after}\n{' ' * (len(before) + column - left)}^"

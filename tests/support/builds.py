"""Which of the two builds of the program the tests run."""

from __future__ import annotations

from stream.http import sender


def is_compiled() -> bool:
    """Whether the program under test has its hot path compiled."""
    return not sender.__file__.endswith(".py")

"""Where tables and sentences of the commands are printed."""

from __future__ import annotations

from rich.console import Console

WIDE = 10_000
"""In a pipe or a file nothing is broken into lines: other programs read it, or a pager does."""


def standard_output() -> Console:
    """Standard output: as wide as the terminal, or without any limit where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console

"""Where tables and sentences of the commands are printed."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

WIDE = 10_000
"""In a pipe or a file nothing is broken into lines: other programs read it, or a pager does."""


def standard_output() -> Console:
    """Standard output: as wide as the terminal, or without any limit where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def print_table(table: Table) -> None:
    """A table on standard output; in a pipe or a file without blanks at the ends of its lines."""
    console = standard_output()
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())

"""Where tables and sentences of the commands are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.model.printable import printable

SCHEMA_VERSION = 1
WIDE = 10_000
"""In a pipe or a file nothing is broken into lines: other programs read it, or a pager does."""


def standard_output() -> Console:
    """Standard output: as wide as the terminal, or without any limit where there is none."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def cell(text: str, style: str = "") -> Text:
    """Foreign text in a table or a line: no markup, no line break, no word to the terminal."""
    return Text(printable(text), style)


def print_json(tree: Mapping[str, object], indent: int | None = None) -> None:
    """One JSON object on standard output, with the version of its form.

    A new form of an output, other than by keys that are added, gets a new SCHEMA_VERSION.
    """
    whole = {"schema_version": SCHEMA_VERSION, **tree}
    typer.echo(json_text(whole, indent, ascii_only="utf" not in (sys.stdout.encoding or "utf-8").lower()))


def json_text(tree: object, indent: int | None = None, *, ascii_only: bool = False) -> str:
    """JSON that any terminal and any encoding bears: what does not print, lone surrogates included, is escaped."""
    text = json.dumps(tree, indent=indent, ensure_ascii=ascii_only)
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)


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

"""The reference of the command line in Markdown, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from typer.main import get_command

from stream.cli.app import app

KINDS = {Path: "FILE", int: "NUMBER"}


def reference() -> str:
    """A section for each command: what it does, examples, arguments and options."""
    return "\n".join(line for path, command in commands(get_command(app)) for line in _lines(path, command)) + "\n"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and command of each command that does something."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from commands(found, (*path, name))


def _lines(path: tuple[str, ...], command: Any) -> Iterator[str]:
    yield f"## tray-stream {' '.join(path)}"
    examples = []
    for paragraph in inspect.cleandoc(command.help or "").replace("\b\n", "").split("\n\n"):
        if re.match(r" +\S|Examples?:", paragraph):
            examples += [line.strip() for line in paragraph.splitlines() if not line.startswith("Example")]
        else:
            yield from ("", _escaped(" ".join(paragraph.split())))
    yield from ("", "```sh", *examples, "```")
    yield from _table("argument", [_row(each) for each in command.params if each.param_type_name == "argument"])
    yield from _table("option", [_row(each) for each in command.params if _is_shown(each)])
    yield ""


def _is_shown(param: Any) -> bool:
    return param.param_type_name == "option" and not param.hidden


def _table(kind: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield from ("", f"| {kind} | default | |", "|---|---|---|", *rows)


def _row(param: Any) -> str:
    name = _value(param) if param.param_type_name == "argument" else ", ".join(sorted(param.opts, key=len))
    if param.param_type_name == "option" and not param.is_flag:
        name += f" {_value(param)}"
    text = _escaped(getattr(param, "help", None) or "")
    return f"| `{_escaped(name)}` | {'required' if param.required else _default(param)} | {text} |"


def _value(param: Any) -> str:
    """What stands for the value: its own word, the choices, or the kind."""
    kind = param.type_descriptor.annotation
    inner = get_args(kind) if get_origin(kind) is list else (kind,)
    choices = get_args(inner[0])
    if param.metavar:
        return str(param.metavar)
    return "|".join(map(str, choices)) if choices else KINDS.get(inner[0], "TEXT")


def _default(param: Any) -> str:
    value = param.default
    shown = getattr(value, "value", value)
    if isinstance(shown, str | int | float) and not isinstance(shown, bool) and str(shown):
        return f"`{shown}`"
    return ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")

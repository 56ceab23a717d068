"""How a log line looks: a sentence and key=value for people, or one JSON object for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stream.model.printable import printable
from stream.model.timeparse import format_wall

RESERVED = ("event", "level", "at")
"""Keys of the line itself; a field of that name gets an underscore."""


COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[1;31m"}
"""Of the level on a terminal; news has none."""
PLAIN = "\x1b[0m"


def coloured_line(_logger: object, _method: str, line: Mapping[str, Any]) -> str:
    """The same as `text_line`, with the level in its colour."""
    level = str(line["level"])
    text = text_line(_logger, _method, line)
    return text.replace(f" {level} ", f" {COLOURS[level]}{level}{PLAIN} ", 1) if level in COLOURS else text


def text_line(_logger: object, _method: str, line: Mapping[str, Any]) -> str:
    """`2026-11-24T05:30:17.123Z warning Sentence. key=value key="two words"`."""
    fields = "".join(f" {printable(key)}={_text(value)}" for key, value in line.items() if key not in RESERVED)
    return f"{format_wall(line['at'])} {line['level']} {printable(str(line['event']))}{fields}"


def json_line(_logger: object, _method: str, line: Mapping[str, Any]) -> str:
    """One JSON object: time, level, msg, and the fields."""
    head = {"time": format_wall(line["at"]), "level": line["level"], "msg": line["event"]}
    fields = {key: value for key, value in line.items() if key not in RESERVED}
    return json.dumps({**head, **fields, **head}, default=str)


def _text(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not any(char in ' "=' for char in text):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'

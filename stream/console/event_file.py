"""One event as JSON, from a file or standard input, as a record that is on no topic."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import BinaryIO

from stream.model.errors import config_error
from stream.model.records import Record

MAX_BYTES = 64 * 1024 * 1024
"""More than any record; a longer file is read by the line."""


def read_event(file: str | None, line: int | None = None) -> Record:
    """The event of a file, or of standard input (`-`, None); of a `line` of it, where that is given.

    Raises:
        ConfigError: it cannot be read, or holds no text or several events.
    """
    if file is None and sys.stdin.isatty():
        raise config_error(
            "FILE", "no event is given.", "Name a file, - for standard input, or topic:partition:offset."
        )
    if file in (None, "-"):
        return record_of(_event_of("standard input", sys.stdin.buffer, line))
    return record_of(_event_in(Path(str(file)), line))


def record_of(value: bytes) -> Record:
    """An event that is on no topic, written now."""
    return Record("", 0, 0, int(time.time() * 1000), None, value)


def _event_in(path: Path, line: int | None) -> bytes:
    try:
        with path.open("rb") as file:
            return _event_of(str(path), file, line)
    except OSError as error:
        raise config_error(str(path), f"cannot be read ({error.strerror}).") from error


def _event_of(name: str, file: BinaryIO, line: int | None) -> bytes:
    """The one event of a file, or the one in a line of it; a file may hold one event in several lines."""
    if line is not None:
        return _line(name, file, line)
    whole = file.read(MAX_BYTES + 1).strip()
    if len(whole) > MAX_BYTES:
        raise config_error(name, "is longer than any event.", "Choose a line of it: --line 1")
    if not whole:
        raise config_error(name, "is empty.", "Give it one event as JSON.")
    lines = [number for number, text in enumerate(whole.splitlines(), 1) if text.strip()]
    if len(lines) > 1 and not _is_json(whole) and all(map(_is_json, whole.splitlines()[:2])):
        raise config_error(
            name, f"holds {len(lines)} events, one a line.", f"Choose one: --line 1 to --line {lines[-1]}"
        )
    return whole


def _line(name: str, file: BinaryIO, wanted: int) -> bytes:
    number = 0
    for number, text in enumerate(file, 1):
        if number == wanted:
            return text.rstrip(b"\r\n")
    raise config_error("--line", f"{name} has {number} lines.")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True

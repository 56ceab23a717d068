"""The settings file: TOML, found by its flag or in the working directory."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from stream.model.errors import ConfigError, Problem

DEFAULT_PATH = Path("stream.toml")

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def find_file(given: Path | None, default: Path) -> Path | None:
    """The file to read: `given`, else the default one if there is one."""
    return given or (default if default.exists() else None)


def read_file(path: Path) -> dict[str, Any]:
    """The tables of the file. Raises ConfigError, at once: nothing can be said of what it does not hold."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        fix = "Create it, or correct the path given as --config."
        raise _unusable(path, f"cannot be read: {error.strerror}.", fix) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, f"is not UTF-8 text at byte {error.start}.", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise _unusable(path, *_syntax_fault(str(error), text)) from error


def _syntax_fault(error: str, text: str) -> tuple[str, str]:
    found = _AT.search(error)
    reason = _AT.sub("", error)
    if found and found[1]:
        return f"is not valid TOML at line {found[1]}, column {found[2]}: {reason}.", ""
    lines = text.splitlines() or [""]
    return f"is not valid TOML at line {len(lines)}, column {len(lines[-1]) + 1}, its end: {reason}.", ""


def _unusable(path: Path, what: str, fix: str) -> ConfigError:
    return ConfigError([Problem(str(path), what, fix)])

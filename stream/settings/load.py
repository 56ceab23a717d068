"""The one way to the settings: file, then environment, then flags, then validation of the whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stream.model.errors import ConfigError, config_error
from stream.model.needs import Needs
from stream.settings.draft import Draft, Location
from stream.settings.environment import read_environment, read_text
from stream.settings.filter_warnings import filter_warnings
from stream.settings.keys import fields_by_key, sections_by_key
from stream.settings.model import Http, Settings
from stream.settings.problems import report_validation
from stream.settings.references import References, access_fix, resolve_paths
from stream.settings.relations import find_warnings, report_missing, report_workflows
from stream.settings.signing import report_signing, signing_warnings

DEFAULT_PATH = Path("stream.toml")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True)
class Loaded:
    """Settings that can be used, the file they were read from, and warnings for the user."""

    settings: Settings
    path: Path | None
    warnings: tuple[str, ...] = ()
    references: Mapping[Location, str] = field(default_factory=dict)
    """The references, by the place of what they stand for."""


def load_settings(
    path: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    *,
    default_path: Path = DEFAULT_PATH,
    workflows_required: bool = True,
    topics_required: bool = True,
    needs: Needs = Needs.ALL,
) -> Loaded:
    """Read and validate the settings.

    `path` is the file named by the user, which must exist; without one `default_path` is read if it exists.
    `needs`: which references must resolve.
    `flags` are values by dotted path (`kafka.group_id`); None, or an empty list, is a flag not given.

    Raises ConfigError with every problem; only a file that cannot be read ends the search at once.
    """
    file = find_file(path, default_path)
    draft = Draft(tree=read_file(file) if file else {})
    read_environment(environ, draft)
    _read_flags(flags, draft)
    folder = (file or default_path).parent
    References(environ, folder, needs).resolve(draft)
    resolve_paths(draft, folder)
    settings = validate(draft)
    report_workflows(draft)
    report_missing(draft, file is not None, workflows_required, topics_required)
    if settings is not None:
        report_signing(settings, draft)
    if settings is None or draft.problems:
        raise ConfigError(draft.problems)
    found = (*find_warnings(settings), *signing_warnings(settings), *filter_warnings(settings))
    return Loaded(settings, file, (*draft.warnings, *found), draft.references)


def load_http(path: Path | None, environ: Mapping[str, str], *, default_path: Path = DEFAULT_PATH) -> Http:
    """The section [http] alone: a command that looks at a running process needs none of its secrets.

    Raises ConfigError with what is wrong with the section, or when the file cannot be read.
    """
    file = find_file(path, default_path)
    whole = Draft(tree=read_file(file) if file else {})
    read_environment(environ, whole)
    draft = Draft(tree={"http": whole.tree.get("http", {})}, origins=whole.origins)
    References(environ, (file or default_path).parent).resolve(draft)
    settings = validate(draft)
    if settings is None or draft.problems:
        raise ConfigError(draft.problems)
    return settings.http


def _read_flags(flags: Mapping[str, object], draft: Draft) -> None:
    for dotted, value in flags.items():
        if value is None or value in ([], ()):
            continue
        section, key = dotted.split(".")
        field = fields_by_key(sections_by_key()[section])[key]
        read = read_text(value, field) if isinstance(value, str) else value
        draft.put((section, key), read, "command line")


def validate(draft: Draft) -> Settings | None:
    """The settings of a draft; None, with each problem added to it, when they cannot be used."""
    try:
        return Settings.model_validate(draft.tree)
    except ValidationError as error:
        report_validation(error, draft)
        return None


def find_file(given: Path | None, default: Path) -> Path | None:
    """The file to read: `given`, else the default one unless it is known not to be there."""
    if given is not None:
        return given
    try:
        default.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        return default  # reading it says what is wrong
    return default


def read_file(path: Path) -> dict[str, Any]:
    """The tables of the file. Raises ConfigError, at once: nothing can be said of what it does not hold."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        fix = access_fix(error, "Create it, or correct the path given as --config.")
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
    return config_error(str(path), what, fix)

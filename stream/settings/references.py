"""`${env:NAME}` and `${file:PATH}` in the text values of the settings file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stream.model.needs import Needs
from stream.settings.draft import Draft, Location
from stream.settings.options import may_be_printed

REFERENCE_PATTERN = r".*\$\{(env|file):[^}]+\}.*"
"""Text that holds a reference, as a regular expression for the JSON Schema."""

_ONE_NEWLINE = re.compile(r"\r?\n\Z")
_REFERENCE = re.compile(r"\$\{(?:(env|file):([^}]+)\}|([A-Za-z_][A-Za-z0-9_]*)\})?")


_QUOTED = (
    "begins and ends with a quotation mark, which is part of the value. Remove both if an env-file put them there."
)
_SECRET_KEYS = ("hash_salt", "headers", "proxy", "shared_secret", "shared_secrets", "url")
"""Keys of secrets whose names do not say so, besides those of options."""
_PATHS = ("ca_file", "client_cert", "client_key")
"""Keys of a workflow that name files."""


def access_fix(error: OSError, otherwise: str) -> str:
    """How to make a file readable: let this process in where it may not read, else `otherwise`."""
    if isinstance(error, PermissionError):
        return f"Let user {os.geteuid()}, as whom tray-stream runs here, read it and enter its folder."
    return otherwise


def without_newline(text: str) -> str:
    """`text` without one line break at its end, as editors and `echo` leave it."""
    return _ONE_NEWLINE.sub("", text)


def is_quoted(text: str) -> bool:
    """Whether quotation marks surround it, which an env-file of docker's keeps as a part of the value."""
    return len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"


def is_utf8(text: str) -> bool:
    """Whether a text of the environment was UTF-8: other bytes are kept as lone surrogates."""
    return not any("\udc80" <= char <= "\udcff" for char in text)


def referenced_variables(value: object) -> set[str]:
    """The names of the environment variables that the values refer to."""
    if isinstance(value, str):
        return {name for source, name, _ in _REFERENCE.findall(value) if source == "env"}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(referenced_variables, inner))


class _UnresolvedError(Exception):
    """What is wrong with a reference, and the fix."""


@dataclass(frozen=True)
class References:
    """Resolves references with the environment and, for relative paths, the settings file's folder."""

    environ: Mapping[str, str]
    folder: Path
    needs: Needs = Needs.ALL

    def resolve(self, draft: Draft) -> None:
        """Replace the references in what came from the file or from variables; each that fails becomes a problem."""
        draft.tree = self._walk(draft.tree, (), draft)

    def _walk(self, value: Any, at: Location, draft: Draft) -> Any:
        if not draft.may_refer(at):
            return value
        if isinstance(value, dict):
            walked = {key: self._walk(inner, (*at, key), draft) for key, inner in value.items()}
            return {key: inner for key, inner in walked.items() if inner is not None}
        if isinstance(value, list):
            items = [self._walk(inner, (*at, index), draft) for index, inner in enumerate(value)]
            return [item for item in items if item is not None]
        return self._text(value, at, draft) if isinstance(value, str) else value

    def _text(self, text: str, at: Location, draft: Draft) -> str | None:
        """The text without references; None: it is not needed and was left out."""
        if (found := _REFERENCE.fullmatch(text)) and found[1]:
            draft.references[at] = text
        try:
            resolved = _REFERENCE.sub(partial(self._substitute, at, draft), text)
        except _UnresolvedError as error:
            if may_be_missing(self.needs, at, draft.tree):
                return stand_in(at, text)
            what, fix = error.args
            draft.report(at, what, fix)
            return text
        if text and not resolved:
            draft.warnings.append(f"{draft.label(at)}: {text} is empty, so this setting is empty, too.")
        if resolved != text and is_quoted(resolved):
            draft.warnings.append(f"{draft.label(at)}: what {text} stands for {_QUOTED}")
        return resolved

    def _substitute(self, at: Location, draft: Draft, found: re.Match[str]) -> str:
        source, name, bare = found.groups()
        if source is not None:
            text = self._variable(name) if source == "env" else self._file(name)
            if not text.strip() and _needs_text(at):
                noun = "environment variable" if source == "env" else "file"
                what = f"refers to the {noun} {name}, which is empty."
                raise _UnresolvedError(what, "Fill it, or remove the reference.")
            return text
        if draft.is_from_variable(at):
            return found[0]
        fix = f"Write ${{env:{bare or 'NAME'}}} for an environment variable, ${{file:PATH}} for a file."
        raise _UnresolvedError("holds ${…} that is neither ${env:NAME} nor ${file:PATH}.", fix)

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            raise _UnresolvedError(f"refers to the environment variable {name}, which is not set.", f"Set {name}.")
        text = self.environ[name]
        if not is_utf8(text):
            what = f"refers to the environment variable {name}, which is not UTF-8 text."
            raise _UnresolvedError(what, "Set it as UTF-8.")
        return without_newline(text)

    def _file(self, name: str) -> str:
        try:
            text = (self.folder / name).read_bytes().decode()
        except OSError as error:
            what = f"refers to the file {name}, which cannot be read: {error.strerror}."
            raise _UnresolvedError(what, access_fix(error, "Create it, or correct the path.")) from error
        except ValueError as error:
            raise _UnresolvedError(
                f"refers to the file {name}, which is not UTF-8 text.", "Save it as UTF-8."
            ) from error
        return without_newline(text)


def _needs_text(at: Location) -> bool:
    """Whether a secret is meant, which must not go missing. One of several may, save the first: a rotation is over."""
    if at[-2:-1] == ("shared_secrets",):
        return at[-1] == 0
    named = [part for part in at if isinstance(part, str)]
    return any(name in _SECRET_KEYS for name in named) or not may_be_printed(named[-1])


def resolve_paths(draft: Draft, folder: Path) -> None:
    """Make the names of files in the workflows relative to the settings file's folder, as those of references are."""
    workflows = draft.tree.get("workflow", [])
    for workflow in workflows if isinstance(workflows, list) else []:
        for key in _PATHS:
            if isinstance(workflow, dict) and isinstance(name := workflow.get(key), str) and name:
                workflow[key] = str(folder / name)


_HOST = "unresolved.invalid"
"""A host that never resolves (RFC 6761), so nothing can be sent to a URL that was not needed."""


def may_be_missing(needs: Needs, at: Location, tree: dict[str, Any]) -> bool:
    """Whether the command does without the value at this place.

    A workflow without a name is named by its URL, which then is needed wherever its name is.
    """
    if needs is Needs.KAFKA:
        match at:
            case ("workflow", int(index), "url"):
                return "name" in tree["workflow"][index]
            case ("workflow", int(), str(key), *_) | ("destination", str(key), *_):
                return key in _SECRET_KEYS
    return needs is Needs.NOTHING


def stand_in(at: Location, text: str) -> str | None:
    """What to put in place of `text`, whose reference is not resolved; None: leave the setting out."""
    match at:
        case ("workflow", int(), "url"):
            return f"https://{_HOST}/{quote(text, safe='')}"
        case ("workflow", int(), "proxy"):
            return f"http://{_HOST}:80"
        case ("workflow", int(), str(key), *_) | ("destination", str(key), *_) if key in _SECRET_KEYS:
            return f"{text}, which is not resolved"
    return None


def unresolved_text(url: str) -> str:
    """The text that a URL stands in for; empty when it is a real one."""
    parts = urlsplit(url)
    return unquote(parts.path[1:]) or url if parts.hostname == _HOST else ""

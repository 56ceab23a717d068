"""`${env:NAME}` and `${file:PATH}` in the text values of the settings file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream.settings.draft import Draft, Location

REFERENCE_PATTERN = r".*\$\{(env|file):[^}]+\}.*"
"""Text that holds a reference, as a regular expression for the JSON Schema."""

_ONE_NEWLINE = re.compile(r"\r?\n\Z")
_REFERENCE = re.compile(r"\$\{(?:(env|file):([^}]+)\}|([A-Za-z_][A-Za-z0-9_]*)\})?")


_PATHS = ("ca_file", "client_cert", "client_key")
"""Keys of a workflow that name files."""


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

    def resolve(self, draft: Draft) -> None:
        """Replace the references in what came from the file; each that fails becomes a problem."""
        draft.tree = self._walk(draft.tree, (), draft)

    def _walk(self, value: Any, at: Location, draft: Draft) -> Any:
        if at in draft.origins:
            return value
        if isinstance(value, dict):
            return {key: self._walk(inner, (*at, key), draft) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner, (*at, index), draft) for index, inner in enumerate(value)]
        return self._text(value, at, draft) if isinstance(value, str) else value

    def _text(self, text: str, at: Location, draft: Draft) -> str:
        try:
            resolved = _REFERENCE.sub(self._substitute, text)
        except _UnresolvedError as error:
            what, fix = error.args
            draft.report(at, what, fix)
            return text
        if (found := _REFERENCE.fullmatch(text)) and found[1]:
            draft.references[at] = text
        if text and not resolved:
            draft.warnings.append(f"{draft.label(at)}: {text} is empty, so this setting is empty, too.")
        return resolved

    def _substitute(self, found: re.Match[str]) -> str:
        source, name, bare = found.groups()
        if source == "env":
            return self._variable(name)
        if source == "file":
            return self._file(name)
        fix = f"Write ${{env:{bare or 'NAME'}}} for an environment variable, ${{file:PATH}} for a file."
        raise _UnresolvedError("holds ${…} that is neither ${env:NAME} nor ${file:PATH}.", fix)

    def _variable(self, name: str) -> str:
        if name not in self.environ:
            raise _UnresolvedError(f"refers to the environment variable {name}, which is not set.", f"Set {name}.")
        return self.environ[name]

    def _file(self, name: str) -> str:
        try:
            text = (self.folder / name).read_bytes().decode()
        except OSError as error:
            what = f"refers to the file {name}, which cannot be read: {error.strerror}."
            raise _UnresolvedError(what, "Create it, or correct the path.") from error
        except ValueError as error:
            raise _UnresolvedError(
                f"refers to the file {name}, which is not UTF-8 text.", "Save it as UTF-8."
            ) from error
        return _ONE_NEWLINE.sub("", text)


def resolve_paths(draft: Draft, folder: Path) -> None:
    """Make the names of files in the workflows relative to the settings file's folder, as those of references are."""
    workflows = draft.tree.get("workflow", [])
    for workflow in workflows if isinstance(workflows, list) else []:
        for key in _PATHS:
            if isinstance(workflow, dict) and isinstance(name := workflow.get(key), str) and name:
                workflow[key] = str(folder / name)

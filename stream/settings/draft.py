"""The settings while they are being gathered: values of three sources, and what was found wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stream.model.errors import Problem

Location = tuple[str | int, ...]
"""Keys and positions that lead to a value, from the top of the file."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(slots=True)
class Draft:
    """Values as written, not yet validated, with the source of each that is not from the file."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Location, str] = field(default_factory=dict)
    """Variable or flag a value came from. A location without an entry came from the file."""
    references: dict[Location, str] = field(default_factory=dict)
    """What to write in the file for values that stand elsewhere: `${env:NAME}` or `${file:PATH}`."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    faulty: set[Location] = field(default_factory=set)
    """Locations with a problem; what else is wrong with them would only follow from it."""

    def put(self, at: tuple[str, ...], value: object, origin: str) -> None:
        """Override one value. Left alone where the file has something else than a table on the way."""
        table = self.tree
        for key in at[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                return
        table[at[-1]] = value
        self.origins[at] = origin
        if isinstance(value, str) and origin.startswith("TRAY_"):
            self.references[at] = f"${{env:{origin}}}"

    def report(self, at: Location, what: str, fix: str = "") -> None:
        """Add a problem of the value at a location."""
        self.problems.append(Problem(self.label(at), what, fix))
        self.faulty.add(at)

    def is_from_variable(self, at: Location) -> bool:
        """Whether an environment variable gave the value, or the list that it is part of."""
        return any(origin.startswith("TRAY_") for origin in self._origins(at))

    def may_refer(self, at: Location) -> bool:
        """Whether references in the value are resolved: what the command line gives is meant as it stands."""
        return at not in self.origins or self.is_from_variable(at)

    def is_faulty(self, at: Location) -> bool:
        """Whether the value, or one that it is part of, has a problem already."""
        return any(at[:depth] in self.faulty for depth in range(1, len(at) + 1))

    def label(self, at: Location) -> str:
        """The location as people read it: `workflow[1].url (orders)`, `kafka.topics (TRAY_KAFKA__TOPICS)`."""
        remark = self._origin(at) or self._workflow_name(at)
        return format_location(at) + (f" ({remark})" if remark else "")

    def _origin(self, at: Location) -> str:
        return next(self._origins(at), "")

    def _origins(self, at: Location) -> Iterator[str]:
        """Of the value, and of what it is part of."""
        return (self.origins[at[:depth]] for depth in range(len(at), 0, -1) if at[:depth] in self.origins)

    def _workflow_name(self, at: Location) -> str:
        match at:
            case ("workflow", int(index), _, *_) if at[2] != "name":
                name = self.tree["workflow"][index].get("name")
                return name if isinstance(name, str) and _BARE_KEY.fullmatch(name) else ""
        return ""


def format_location(at: Iterable[str | int]) -> str:
    """`("workflow", 1, "url")` as `workflow[1].url`; keys with dots are quoted as TOML does."""
    text = ""
    for part in at:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _BARE_KEY.fullmatch(part) else f'"{part}"'
        text += f".{key}" if text else key
    return text

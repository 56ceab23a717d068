"""Fields that filters name: dotted paths, as Segment's `tsub` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_ODD = re.compile(r"[\[\]\\]|\A[*$]\Z|\A\s|\s\Z")
"""What hardly belongs to a name: brackets and the like of other languages' paths."""
_TEXTS = frozenset(("type", "event", "messageId", "userId", "userID", "anonymousId", "groupId", "previousId"))
_TIMES = frozenset(("timestamp", "sentAt", "receivedAt", "originalTimestamp"))


class FieldFault(NamedTuple):
    """Why a field can never be there, and what to write."""

    what: str
    fix: str


def split(field: str) -> tuple[str, ...]:
    """The names that lead to a field."""
    return tuple(field.split("."))


def fault_of(field: str) -> FieldFault | None:
    """Why no event can have this field; None when one can."""
    names = field.split(".")
    if "" in names:
        return FieldFault("has an empty name between its dots.", "Write it as properties.email.")
    for name in names:
        if odd := _ODD.search(name):
            return FieldFault(f"has {odd[0]!r} in it, which no path can have.", _fix(field, odd[0][0]))
    return fault_within_text(names)


def fault_within_text(names: Sequence[str]) -> FieldFault | None:
    """Why there is nothing there: fields of Segment's events that are texts hold no others."""
    if names[0] in _TEXTS | _TIMES and len(names) > 1:
        return FieldFault(f"looks into {names[0]}, which holds no fields.", f"Write {names[0]}, or another path.")
    return None


def _fix(field: str, odd: str) -> str:
    fixes = {
        "[": "Leave the brackets out: properties.products.price is the price of each product.",
        "*": "Leave the star out: every element of a list is gone through.",
        "$": f"Write {field.removeprefix('$.')}.",
        "\\": "A name with a dot in it cannot be reached; name what holds it.",
    }
    return fixes.get(odd, "Remove it.")


def by_parent(fields: Iterable[str]) -> Mapping[tuple[str, ...], tuple[str, ...]]:
    """The fields' last names by the path of what holds them; () is the event itself."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for field in fields:
        *parent, name = split(field)
        groups.setdefault(tuple(parent), []).append(name)
    return {parent: tuple(names) for parent, names in groups.items()}

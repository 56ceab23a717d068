"""What a workflow's filters are, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Action = Literal["sample", "drop", "drop_properties", "allow_properties", "hash_properties"]

ORDER: tuple[Action, ...] = ("sample", "drop", "drop_properties", "allow_properties", "hash_properties")
"""The order in which filters apply, which is Segment's, whatever order the settings name them in."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of the settings. `condition` is FQL; empty: every event."""

    action: Action
    condition: str = ""
    percent: float = 100.0
    path: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterSet:
    """What a workflow asks for: a statement, and filters in the order of the settings, the destination's first."""

    where: str = ""
    filters: tuple[Filter, ...] = ()
    hash_salt: str = field(default="", repr=False)

"""Which dead letters a command is about, and how they are counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream.model.letters import Identity, Letter
from stream.model.records import RecordId
from stream.model.timeparse import format_time

_NUMBER = re.compile(r"(\d+)")
HOUR_MS = 3_600_000
GROUPINGS = ("workflow", "reason", "status", "hour", "event")
"""What letters can be counted by."""


@dataclass(frozen=True)
class DeadLetterQuery:
    """The letters that a command is about; an empty set chooses all."""

    workflows: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    events: frozenset[RecordId] = frozenset()
    since_ms: int | None = None
    """Failed then or later."""
    until_ms: int | None = None
    """Failed before that."""

    @property
    def is_everything(self) -> bool:
        """Whether no letter is left out."""
        return self == DeadLetterQuery()

    def takes(self, letter: Letter) -> bool:
        """Whether the command is about this letter."""
        identity = letter.identity
        return (
            (not self.workflows or identity.workflow in self.workflows)
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.statuses or letter.status in self.statuses)
            and (not self.events or identity.place in self.events)
            and (self.since_ms is None or letter.failed_at_ms >= self.since_ms)
            and (self.until_ms is None or letter.failed_at_ms < self.until_ms)
        )


@dataclass(frozen=True)
class Count:
    """Letters that have the grouping's values in common."""

    values: tuple[str, ...]
    letters: int
    first_failed_at_ms: int
    last_failed_at_ms: int


def count_by(letters: Iterable[Letter], groupings: Sequence[str]) -> list[Count]:
    """Letters by what `groupings` names, sorted by it."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for letter in letters:
        values = tuple(value_of(letter, grouping) for grouping in groupings)
        groups.setdefault(values, []).append(letter.failed_at_ms)
    counts = [Count(values, len(times), min(times), max(times)) for values, times in groups.items()]
    return sorted(counts, key=lambda count: [_sortable(value) for value in count.values])


def _sortable(value: str) -> list[tuple[int, int, str]]:
    """Numbers within a text, such as the offset of a place, in the order of numbers."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in _NUMBER.split(value)]


def value_of(letter: Letter, grouping: str) -> str:
    """What a letter is counted under."""
    match grouping:
        case "workflow":
            return letter.identity.workflow
        case "reason":
            return letter.reason
        case "status":
            return letter.status
        case "hour":
            return format_time(letter.failed_at_ms // HOUR_MS * HOUR_MS)
        case _:
            return str(letter.identity.place)


def of_deployment(group: str, identity: Identity) -> bool:
    """Whether a letter belongs to this deployment: to its shared group, or to the group of the letter's workflow."""
    return identity.group in (group, f"{group}.{identity.workflow}")

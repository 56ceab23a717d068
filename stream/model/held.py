"""What is held: events that ended badly and are not given up, and invalid records behind which a partition waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stream.model.events import Reason
from stream.model.letters import answer_code
from stream.model.records import RecordId
from stream.model.timeparse import format_wall

MOST_LISTED = 5_000
"""Held events and partitions in one list; the counts still cover all."""

Json = dict[str, object]


@dataclass(slots=True)
class Hold:
    """Why one delivery is held."""

    since: float
    """Unix time in seconds."""
    reason: Reason
    answer: str
    """Code of the last attempt."""


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """One event that is held by a workflow, or that holds its partition."""

    workflow: str | None
    """None: an invalid record, behind which nothing of its partition is read."""
    place: RecordId
    since: float
    """Unix time in seconds."""
    reason: Reason
    answer: str = ""
    """Code of the last attempt; empty: no attempt was made."""
    attempts: int = 0
    detail: str = ""
    """What is wrong with an invalid record; names the field, never its value."""

    def as_json(self, group: str) -> Json:
        """The entry of the list."""
        return {
            "place": str(self.place),
            "group": group,
            "workflow": self.workflow,
            "since": format_wall(self.since),
            "reason": self.reason,
            "answer": answer_code(self.answer),
            "attempts": self.attempts,
            "detail": self.detail or None,
        }


@dataclass(frozen=True)
class GroupHeld:
    """What one consumer group of this process holds."""

    group: str
    counts: Mapping[str, int]
    """Held events of every workflow, those at zero included."""
    partitions: int
    """Partitions that are held."""
    events: list[HeldEvent]
    """The oldest of them, at most `MOST_LISTED`."""
    read_up_to: Mapping[str, int]
    """Next offset to be read of each owned partition, by `topic:partition`; at most `MOST_LISTED`."""


def held_json(groups: Iterable[GroupHeld]) -> Json:
    """The body of /held.json, but for its schema_version."""
    counts: list[Json] = []
    held: list[Json] = []
    partitions: list[Json] = []
    for one in groups:
        counts += [{"group": one.group, "workflow": name, "held": count} for name, count in one.counts.items()]
        counts.append({"group": one.group, "workflow": None, "held": one.partitions})
        held += [event.as_json(one.group) for event in one.events]
        partitions += [{"group": one.group, "partition": tp, "read_up_to": at} for tp, at in one.read_up_to.items()]
    return _listed(counts, held, partitions)


def merged(answers: Mapping[int, Json]) -> Json:
    """The answers of several workers as one; each entry says whose it is."""
    counts: dict[tuple[str, str | None], int] = {}
    held: list[Json] = []
    partitions: list[Json] = []
    for worker, answer in answers.items():
        for one in _entries(answer, "workflows"):
            key = str(one["group"]), one["workflow"] if isinstance(one["workflow"], str) else None
            counts[key] = counts.get(key, 0) + int(str(one["held"]))
        held += [{**one, "worker": worker} for one in _entries(answer, "held")]
        partitions += [{**one, "worker": worker} for one in _entries(answer, "partitions")]
    rows: list[Json] = [{"group": group, "workflow": name, "held": count} for (group, name), count in counts.items()]
    return _listed(rows, held, partitions)


def _listed(counts: list[Json], held: list[Json], partitions: list[Json]) -> Json:
    return {
        "total": sum(int(str(one["held"])) for one in counts),
        "workflows": counts,
        "held": sorted(held, key=lambda one: str(one["since"]))[:MOST_LISTED],
        "partitions": partitions[:MOST_LISTED],
    }


def _entries(answer: Json, key: str) -> list[Json]:
    found = answer[key]
    return found if isinstance(found, list) else []

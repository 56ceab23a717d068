"""What a running processor says that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stream.model.records import RecordId
from stream.settings.places import parse_place
from stream.top.fetch import NoAnswerError, fetch


@dataclass(frozen=True)
class HeldEntry:
    """One held event, or an invalid record behind which its partition waits."""

    place: RecordId
    group: str
    workflow: str | None
    """None: an invalid record."""
    since: str
    """RFC 3339."""
    reason: str
    answer: int | str | None
    attempts: int
    detail: str


@dataclass(frozen=True)
class HeldAnswer:
    """The answer of one processor, or of several together."""

    total: int = 0
    counts: Mapping[str | None, int] = field(default_factory=dict)
    """Held by each workflow, those at zero included; None: partitions."""
    entries: list[HeldEntry] = field(default_factory=list)
    read_up_to: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Next offset to be read, by group and `topic:partition`."""


def ask_held(url: str) -> HeldAnswer:
    """What the processor at `url` (of /held.json) holds. Blocking, for a few seconds at most.

    Raises:
        NoAnswerError: there is no answer, or it is not of this program.
    """
    try:
        tree = json.loads(fetch(url))
        counts: dict[str | None, int] = {}
        for one in tree["workflows"]:
            counts[one["workflow"]] = counts.get(one["workflow"], 0) + int(one["held"])
        read = {(str(one["group"]), str(one["partition"])): int(one["read_up_to"]) for one in tree["partitions"]}
        return HeldAnswer(int(tree["total"]), counts, [_entry(one) for one in tree["held"]], read)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswerError("its answer is not a list of tray-stream's held events") from error


def together(answers: Iterable[HeldAnswer]) -> HeldAnswer:
    """Several processors' answers as one, those held longest first."""
    counts: dict[str | None, int] = {}
    entries: list[HeldEntry] = []
    read: dict[tuple[str, str], int] = {}
    for answer in answers:
        for workflow, count in answer.counts.items():
            counts[workflow] = counts.get(workflow, 0) + count
        entries += answer.entries
        read |= answer.read_up_to
    return HeldAnswer(sum(counts.values()), counts, sorted(entries, key=lambda one: one.since), read)


def _entry(one: Mapping[str, object]) -> HeldEntry:
    workflow, answer = one["workflow"], one["answer"]
    return HeldEntry(
        place=parse_place(str(one["place"])),
        group=str(one["group"]),
        workflow=None if workflow is None else str(workflow),
        since=str(one["since"]),
        reason=str(one["reason"]),
        answer=answer if answer is None or isinstance(answer, int) else str(answer),
        attempts=int(str(one["attempts"])),
        detail=str(one["detail"] or ""),
    )

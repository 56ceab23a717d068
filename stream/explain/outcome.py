"""What became of an event at each workflow, from all that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from stream.explain.explainer import Explanation, Verdicts
from stream.explain.place import EventProgress, GroupProgress, LetterOfEvent, WorkflowProgress
from stream.model.records import RecordId
from stream.model.timeparse import format_time
from stream.top.fetch import HeldAnswer, HeldEntry

State = Literal[
    "delivered",
    "filtered",
    "given_up",
    "dead_letter",
    "redriven",
    "discarded",
    "held",
    "waiting",
    "not_read",
    "unknown",
]
FINAL = frozenset({"delivered", "filtered", "redriven", "discarded", "given_up"})
OPEN = frozenset({"held", "waiting", "not_read"})
TROUBLES = frozenset({"dead_letter", "held"})


@dataclass(frozen=True)
class Outcome:
    """What became of the event at one workflow."""

    workflow: str
    group: str
    state: State
    said: str
    """The same as a sentence."""


@dataclass(frozen=True)
class _Known:
    """What is known of the event in one group."""

    place: RecordId
    explanation: Explanation
    standing: EventProgress
    group: GroupProgress
    held: HeldAnswer | None
    """None: the processor did not answer."""

    @property
    def read_up_to(self) -> int | None:
        """How far the processor that answered has read the partition; None: it does not own it."""
        key = self.group.group, f"{self.place.topic}:{self.place.partition}"
        return None if self.held is None else self.held.read_up_to.get(key)

    def held_by(self, workflow: str | None) -> HeldEntry | None:
        """The entry of the event; of its partition, for None."""
        for one in self.held.entries if self.held else ():
            is_here = one.place == self.place if workflow else one.place[:2] == self.place[:2]
            if is_here and one.workflow == workflow and one.group == self.group.group:
                return one
        return None

    def letters_of(self, workflow: str) -> list[LetterOfEvent]:
        """Dead letters of the event for the workflow, those that are open first."""
        found = [one for one in self.standing.letters if one.group == self.group.group]
        return sorted((one for one in found if one.workflow in (workflow, "")), key=lambda one: bool(one.ended))


def outcomes(
    place: RecordId,
    explanation: Explanation,
    standing: EventProgress,
    held: HeldAnswer | None,
    paused: Collection[str] = (),
) -> list[Outcome]:
    """One for each workflow. `held`: what the running processor says, if it answers; `paused`: names of workflows."""
    verdicts = {one.workflow: one for one in explanation.workflows}
    found = []
    for group in standing.groups:
        known = _Known(place, explanation, standing, group, held)
        for workflow, progress in group.workflows.items():
            state, said = next(_findings(known, workflow, progress, verdicts.get(workflow)))
            if workflow in paused and state in OPEN:
                said += "; the settings pause the workflow"
            found.append(Outcome(workflow, group.group, state, said))
    return found


def _findings(
    known: _Known, workflow: str, progress: WorkflowProgress, verdicts: Verdicts | None
) -> Iterator[tuple[State, str]]:
    """What is true of it, the most certain first."""
    for letter in known.letters_of(workflow):
        yield _letter(letter)
    if entry := known.held_by(workflow):
        answer = "" if entry.answer is None else f", answer {entry.answer}"
        yield "held", f"held since {entry.since}{answer}, {_count(entry.attempts, 'attempt')}"
    if (partition := known.held_by(None)) and partition.place.offset <= known.place.offset:
        yield from _behind(known, partition)
    if progress == "unknown":
        yield "unknown", "not known: Kafka does not let us see the group"
    if progress in ("passed", "done"):
        yield from _done(known, progress, verdicts)
    yield from _open(known, progress, verdicts)


def _letter(letter: LetterOfEvent) -> tuple[State, str]:
    status = "" if letter.status is None else f" {letter.status}"
    said = f"dead letter{status}, {letter.reason}, since {format_time(letter.failed_at_ms)}, at {letter.at}"
    if letter.ended == "redriven":
        return "redriven", f"redriven: delivered from its {said}"
    if letter.ended:
        return "discarded", f"discarded: {said}"
    return "dead_letter", said


def _behind(known: _Known, partition: HeldEntry) -> Iterator[tuple[State, str]]:
    if partition.place == known.place:
        yield "held", f"held since {partition.since}, with its partition: {partition.detail}"
    else:
        yield "not_read", f"not read yet: its partition is held behind {partition.place} since {partition.since}"


def _done(known: _Known, progress: WorkflowProgress, verdicts: Verdicts | None) -> Iterator[tuple[State, str]]:
    decoded, unknown = known.explanation.decoded, known.standing.letters_unknown
    if decoded.verdict == "tombstone":
        yield "filtered", "filtered (tombstone)"
    if decoded.verdict == "invalid":
        yield "unknown", f"passed, though it is invalid ({decoded.reason}): its dead letter was not found"
    if verdicts is not None and not verdicts.wanted:
        rule = verdicts.rules[-1]
        yield "filtered", f"filtered ({rule.rule}): {rule.why}"
    if verdicts is not None and verdicts.given_up is not None:
        yield "given_up", "given up: the settings name it"
    unless = ", unless the group was set or started past it" if progress == "passed" else ""
    maybe = f", or a dead letter ({unknown})" if unknown else ""
    yield "delivered", f"delivered{maybe}{unless}"


def _open(known: _Known, progress: WorkflowProgress, verdicts: Verdicts | None) -> Iterator[tuple[State, str]]:
    read, offset, group = known.read_up_to, known.place.offset, known.group
    if read is not None and read > offset:
        if verdicts is not None and not verdicts.wanted:
            yield "filtered", f"filtered ({verdicts.rules[-1].rule}), not committed yet"
        yield "waiting", "waiting: read, and not delivered yet"
    if read is not None:
        yield "not_read", f"not read yet: the processor is at offset {read}"
    if not group.members:
        yield "not_read", "not done with, and nobody reads: the group has no member"
    if progress == "not_started":
        yield "not_read", "not read yet: the group has committed nothing on its partition"
    if "done" in group.workflows.values():
        yield "waiting", "waiting, or being tried again: another workflow is done with it"
    yield "waiting", "waiting, or not read yet"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""What is to be done about each chosen letter, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from stream.model.events import Event
from stream.model.letters import Letter
from stream.model.policies import WorkflowPolicy
from stream.model.records import Record, RecordId
from stream.rules.filter import WorkflowFilter
from stream.runtime.decoding import record_decoder
from stream.settings.model import Settings

# Keys of `left_because` in the JSON: a promise.

REMOVED = "their workflow is configured no more"
INVALID = "still no valid events"
UNWANTED = "no workflow wants them by the present filters"
SOURCE_GONE = "the value was too large to be kept, and the event is not on its topic any more"
LETTER_GONE = "not on the dead-letter topic any more"


@dataclass(slots=True)
class RedriveRow:
    """What came of the letters of one workflow and reason."""

    letters: int = 0
    redriven: int = 0
    """In a dry run: would be sent."""
    failed_again: int = 0
    left: int = 0

    @property
    def untouched(self) -> int:
        """Letters whose turn has not come."""
        return self.letters - self.redriven - self.failed_again - self.left


@dataclass
class Account:
    """Every chosen letter is counted in one row, and ends there at most once."""

    rows: dict[tuple[str, str], RedriveRow] = field(default_factory=dict)
    """By workflow and reason."""
    left: Counter[str] = field(default_factory=Counter)
    """Letters left as they are, by why."""

    def open(self, letter: Letter) -> None:
        """A letter was chosen."""
        self._row(letter).letters += 1

    def redriven(self, letter: Letter) -> None:
        """Its workflow has the event."""
        self._row(letter).redriven += 1

    def failed_again(self, letter: Letter) -> None:
        """There is a newer letter of the event."""
        self._row(letter).failed_again += 1

    def leave(self, letter: Letter, why: str) -> None:
        """It stays open, as it was."""
        self._row(letter).left += 1
        self.left[why] += 1

    def total(self) -> RedriveRow:
        """All rows together."""
        rows = self.rows.values()
        return RedriveRow(
            sum(row.letters for row in rows),
            sum(row.redriven for row in rows),
            sum(row.failed_again for row in rows),
            sum(row.left for row in rows),
        )

    def _row(self, letter: Letter) -> RedriveRow:
        return self.rows.setdefault((letter.identity.workflow, letter.reason), RedriveRow())


@dataclass(slots=True, eq=False)
class RedriveTask:
    """A letter on its way. It ends when no workflow is pending."""

    letter: Letter
    pending: set[str]
    """Workflows that are not done with it."""
    is_taken: bool = False
    """Some workflow has the event, or has a dead letter of its own for it."""
    has_failed: bool = False


Tasks = dict[RecordId, list[RedriveTask]]
"""The letters of an event that go to one workflow: nearly always one."""


@dataclass
class RedrivePlan:
    """The chosen letters by the workflow that they go to."""

    account: Account
    of_workflow: dict[str, Tasks]
    ended: list[Letter]
    """Every workflow is done with them already: only the marker is missing."""
    later: list[dict[str, Tasks]] = field(default_factory=list)
    """Events at places that are in `of_workflow` as well, of a topic that was created again: each in a round of its
    own, after the others."""

    @property
    def rounds(self) -> list[dict[str, Tasks]]:
        """What is sent one after the other. Within a round a place means one event."""
        return [self.of_workflow, *self.later]

    def all_tasks(self) -> Iterator[tuple[str, Tasks]]:
        """The tasks of each workflow, round by round."""
        for of_workflow in self.rounds:
            yield from of_workflow.items()


def plan_redrive(letters: Iterable[Letter], workflows: Sequence[str]) -> RedrivePlan:
    """A letter goes to its workflow; one without a workflow to each that is not done with it."""
    plan = RedrivePlan(Account(), {}, [])
    for letter in letters:
        plan.account.open(letter)
        pending = _pending(letter, workflows)
        if pending:
            _add(plan, RedriveTask(letter, pending, is_taken=bool(letter.done_by)))
        elif letter.identity.workflow:
            plan.account.leave(letter, REMOVED)
        else:
            plan.account.redriven(letter)
            plan.ended.append(letter)
    return plan


def _pending(letter: Letter, workflows: Collection[str]) -> set[str]:
    named = letter.identity.workflow
    if named:
        return {named} & set(workflows)
    return set(workflows) - letter.done_by


def _add(plan: RedrivePlan, task: RedriveTask) -> None:
    """To the first round where no other event has its place."""
    place = task.letter.identity.place
    for of_workflow in plan.rounds:
        others = [other for tasks in of_workflow.values() for other in tasks.get(place, ())]
        if all(other.letter.is_same(task.letter) for other in others):
            break
    else:
        of_workflow = {}
        plan.later.append(of_workflow)
    for workflow in task.pending:
        of_workflow.setdefault(workflow, {}).setdefault(place, []).append(task)


class EligibilityChecker:
    """Holds events against the present rules: validation, and the filter of each workflow."""

    def __init__(self, settings: Settings, workflows: Sequence[WorkflowPolicy]) -> None:
        self._decode = record_decoder(settings).decode
        name = settings.destination.integration_name
        self._filters = {policy.name: WorkflowFilter(policy, name) for policy in workflows}

    def obstacle(self, record: Record, workflow: str) -> str | None:
        """Why the event cannot go there; None when it can."""
        event = self._decode(record)
        if not isinstance(event, Event):
            return INVALID
        return None if self._filters[workflow].reason(event) is None else UNWANTED

"""Books what came of each event at a workflow, and writes what ends its letters."""

from __future__ import annotations

from typing import Protocol

from stream.dead_letters.plan import Account, RedriveTask, Tasks
from stream.model.letters import REDRIVEN, Letter
from stream.model.records import RecordId


class Ends(Protocol):
    """Writes what ends letters."""

    def end(self, letter: Letter, reason: str, workflow: str = "", *, partly: bool = False) -> None:
        """This letter is done with; `partly`: one of no workflow is, as far as this workflow goes."""


class RedriveTracker:
    """One for all workflows of a redrive. Everything happens on the event loop."""

    def __init__(self, account: Account, marks: Ends) -> None:
        self._account = account
        self._marks = marks

    def delivered(self, tasks: Tasks, place: RecordId, workflow: str) -> None:
        """The workflow has the event."""
        for task in tasks[place]:
            task.is_taken = True
            task.pending.discard(workflow)
            if task.pending:
                self._marks.end(task.letter, REDRIVEN, workflow, partly=True)
            else:
                self._conclude(task, workflow)

    def failed(self, tasks: Tasks, place: RecordId, workflow: str) -> None:
        """A newer letter of the event at this workflow is acknowledged."""
        for task in tasks[place]:
            task.is_taken = task.has_failed = True
            task.pending.discard(workflow)
            if not task.pending:
                self._conclude(task, workflow)

    def refused(self, tasks: Tasks, place: RecordId, workflow: str, why: str) -> None:
        """It was not sent."""
        for task in tasks[place]:
            task.pending.discard(workflow)
            if task.pending:
                continue
            if task.is_taken:
                self._conclude(task, workflow)
            else:
                self._account.leave(task.letter, why)

    def _conclude(self, task: RedriveTask, workflow: str) -> None:
        """Every workflow is done with it. A letter of one workflow that failed again is replaced by the newer one."""
        letter = task.letter
        if task.has_failed:
            self._account.failed_again(letter)
        else:
            self._account.redriven(letter)
        if not (task.has_failed and letter.identity.workflow):
            self._marks.end(letter, REDRIVEN, workflow)

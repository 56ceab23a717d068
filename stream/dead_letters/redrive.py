"""A redrive of planned letters: rehearsed, or sent; every workflow at the same time, until the end or until stopped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from stream.dead_letters.markers import MarkerWriter, opened_marks
from stream.dead_letters.plan import EligibilityChecker, RedrivePlan
from stream.dead_letters.reader import DeadLetterReader
from stream.dead_letters.run import LetterRun, Parts
from stream.dead_letters.tracker import RedriveTracker
from stream.kafka.client_config import KafkaPolicy
from stream.kafka.dead_letters import DeadLetterTopic
from stream.model.errors import SourceError
from stream.model.letters import REDRIVEN, Letter
from stream.model.ports import Logger
from stream.model.records import RecordId
from stream.runtime.event_loop import as_stream_error
from stream.runtime.finite_run import FiniteRun
from stream.runtime.policies import workflow_policies
from stream.settings.model import Settings

LAST_MARKS_S = 30.0
"""How long the last markers may take; a letter without one would be sent again."""
AT_ONCE = 500

LOST = "Kafka heard nothing of this redrive for too long, so another may have begun by now. Run it again."

Watch = Callable[[Sequence[LetterRun]], None]
"""Told now and then how far the workflows are."""


class NoMarks:
    """Fulfils what the desk needs of `MarkerWriter` where nothing is written."""

    def end(self, letter: Letter, reason: str, workflow: str = "", *, partly: bool = False) -> None:
        """Nothing."""


def rehearse(settings: Settings, archive: DeadLetterReader, plan: RedrivePlan) -> None:
    """Count in the plan's account what a redrive would send, and what it would leave. Blocking."""
    desk, examiner = RedriveTracker(plan.account, NoMarks()), _examiner(settings)
    for workflow, tasks in plan.all_tasks():
        for places in _chunks(sorted(tasks)):
            letters = {place: tasks[place][0].letter for place in places}
            events = archive.events(letters.values())
            for place, letter in letters.items():
                found = events[letter.at]
                why = found if isinstance(found, str) else examiner.obstacle(found, workflow)
                if why is None:
                    desk.delivered(tasks, place, workflow)
                else:
                    desk.refused(tasks, place, workflow, why)


class Redrive(FiniteRun):
    """Sends the letters of a plan; what comes of them is in the plan's account."""

    def __init__(
        self,
        settings: Settings,
        kafka: KafkaPolicy,
        archive: DeadLetterReader,
        plan: RedrivePlan,
        rate_per_s: float | None,
        logger: Logger,
        lost: threading.Event,
    ) -> None:
        """`lost` is set by any thread: another redrive may have begun."""
        super().__init__(logger)
        self._settings = settings
        self._kafka = kafka
        self._archive = archive
        self._plan = plan
        self._rate_per_s = rate_per_s
        self._lost = lost
        self.runs: list[LetterRun] = []
        self._rounds: list[list[LetterRun]] = []

    @property
    def held(self) -> list[str]:
        """Workflows whose remaining letters were left alone, since too many failed in a row."""
        return [run.name for run in self.runs if run.is_held]

    def drain(self) -> None:
        """Start nothing more."""
        for run in self.runs:
            run.stop()

    def fail_engines(self) -> None:
        """Send nothing more."""
        for run in self.runs:
            run.fail()

    def _look(self, watch: Watch) -> bool:
        watch(self.runs)
        if self._lost.is_set():
            self._lost.clear()
            self.fail(SourceError(LOST))
        return True

    async def run(self, watch: Watch) -> None:
        """Until every letter has ended, or until stopped.

        Raises:
            StreamError: it could not continue; what was delivered is marked, as far as Kafka could be reached.
        """
        with opened_marks(self._kafka, self._archive.topic) as (marks, topic):
            self._open_runs(topic, marks)
            async with self.watched(partial(self._look, watch)):
                await self._finish()
            if not await marks.fewer_than(1, LAST_MARKS_S):
                before = f"{self.fault} " if self.fault else ""
                self.fault = SourceError(before + _unmarked(marks))
            watch(self.runs)
        if self.fault is not None:
            raise self.fault

    def _open_runs(self, topic: DeadLetterTopic, marks: MarkerWriter) -> None:
        for letter in self._plan.ended:
            marks.end(letter, REDRIVEN)
        desk = RedriveTracker(self._plan.account, marks)
        named = {name for name, _ in self._plan.all_tasks()}
        chosen = [workflow for workflow in self._settings.workflows if workflow.name in named]
        by_name = {workflow.name: workflow for workflow in chosen}
        parts = Parts(
            self._settings,
            self._archive,
            topic,
            marks,
            desk,
            _examiner(self._settings),
            self._logger,
            self._rate_per_s,
            engines=len(chosen),
        )
        for of_workflow in self._plan.rounds:
            names = [workflow.name for workflow in chosen if workflow.name in of_workflow]
            self._rounds.append([LetterRun(by_name[name], of_workflow[name], parts) for name in names])
        self.runs = [run for of_round in self._rounds for run in of_round]

    async def _finish(self) -> None:
        """Run all, one round after the other; the first that cannot continue stops the others."""
        for runs in self._rounds:
            for run in runs:
                if run.name in self.held:
                    run.stop()
            await self._finish_round(runs)

    async def _finish_round(self, runs: Sequence[LetterRun]) -> None:
        pending = {asyncio.create_task(run.run()) for run in runs}
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None:
                    self.fail(as_stream_error(error))


def _examiner(settings: Settings) -> EligibilityChecker:
    return EligibilityChecker(settings, workflow_policies(settings))


def _chunks(places: Sequence[RecordId]) -> Iterator[Sequence[RecordId]]:
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]


def _unmarked(marks: MarkerWriter) -> str:
    return (
        f"{marks.outstanding} delivered letters could not be marked as such ({marks.last_error or 'no answer'}): "
        "another redrive would send them again."
    )

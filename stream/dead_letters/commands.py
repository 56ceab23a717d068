"""What `dead-letters list`, `show` and `discard` do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from stream.console import options
from stream.console.output import print_json, standard_output
from stream.console.workflows import require_known
from stream.dead_letters import report
from stream.dead_letters.bars import shown_count
from stream.dead_letters.index import DeadLetterIndex
from stream.dead_letters.markers import MarkerWriter, opened_marks
from stream.dead_letters.options import read_groupings, read_place
from stream.dead_letters.query import DeadLetterQuery, of_deployment
from stream.dead_letters.reader import DeadLetterReader
from stream.kafka.client_config import KafkaPolicy
from stream.kafka.lease import Lease
from stream.model.errors import MissingEventError, SourceError, config_error
from stream.model.letters import DISCARDED, Identity, Letter, Marker
from stream.model.needs import Needs
from stream.model.records import RecordId
from stream.runtime.policies import kafka_policy
from stream.settings.model import Settings

AT_ONCE = 2_000
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Opened:
    """The dead-letter topic, and the settings that led to it."""

    settings: Settings
    kafka: KafkaPolicy
    archive: DeadLetterReader

    @property
    def group(self) -> str:
        """The deployment's group id, which identifies its letters."""
        return self.settings.kafka.group_id

    def read(self, choice: DeadLetterQuery) -> tuple[DeadLetterIndex, list[Letter]]:
        """Everything on the topic, and the open letters that were chosen.

        Raises:
            ConfigError: a chosen workflow is unknown.
        """
        book = DeadLetterIndex(lambda identity: of_deployment(self.group, identity))
        with shown_count("Reading dead letters") as progress:
            letters = self.archive.read(book, progress).open_letters()
        configured = {workflow.name for workflow in self.settings.workflows}
        known = sorted((configured | {letter.identity.workflow for letter in letters}) - {""})
        what = "there is no workflow {}, nor a dead letter of it."
        require_known("--workflow", sorted(choice.workflows), known, what)
        return book, [letter for letter in letters if choice.takes(letter)]


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """Open the dead-letter topic of these settings."""
    kafka = kafka_policy(settings, logger=options.SILENT)
    with DeadLetterReader(kafka, settings.dead_letter_topic) as archive:
        yield Opened(settings, kafka, archive)


def lease(found: Opened, lost: threading.Event) -> Lease:
    """The right to end letters, of which there is one per deployment; `lost` is set when it is over before its time."""
    name = f"{found.group}.dead-letters.redrive"
    return Lease(found.kafka, name, found.archive.topic, "redrive or discard", lost.set)


def run_list(given: options.Given, choice: DeadLetterQuery, by: str, as_json: bool) -> None:
    """Count the open letters."""
    groupings = read_groupings(by)
    with opened(_settings(given)) as found:
        book, letters = found.read(choice)
        if as_json:
            print_json(report.list_json(found.archive.topic, found.group, book, letters, groupings))
        else:
            report.print_list(standard_output(), found.archive.topic, book, letters, groupings)


def run_show(given: options.Given, text: str, workflows: Collection[str], with_value: bool, as_json: bool) -> None:
    """Print every letter of one event, those that are done with as well.

    Raises:
        ConfigError: PLACE is none.
        MissingEventError: there is no letter of this event.
    """
    place = _place(text)
    with opened(_settings(given)) as found:
        letters = _letters_of(found, place, workflows)
        if not letters:
            raise MissingEventError(f"There is no dead letter of {place} in {found.archive.topic}.")
        stored = found.archive.stored([letter for letter, _ in letters])
        shown = [report.letter_json(one, marker, stored.get(one.at), with_value) for one, marker in letters]
    if as_json:
        print_json({"letters": shown})
        return
    out = standard_output()
    for number, letter in enumerate(shown):
        if number:
            out.print()
        report.print_letter(out, letter)


def run_discard(given: options.Given, choice: DeadLetterQuery, execute: bool, as_json: bool) -> None:
    """Show which letters would be discarded, or discard them."""
    with opened(_settings(given)) as found:
        if execute:
            with lease(found, threading.Event()):
                _, letters = found.read(choice)
                _discard(found, letters)
        else:
            _, letters = found.read(choice)
    if as_json:
        print_json(report.discard_json(found.archive.topic, letters, dry_run=not execute))
    elif letters:
        report.print_discard(standard_output(), letters, dry_run=not execute)
    else:
        typer.echo("There is no open letter to discard.")
    if letters and not execute:
        typer.echo("Nothing was discarded. Add --execute to do it.", err=True)


def _discard(found: Opened, letters: list[Letter]) -> None:
    with shown_count("Discarding") as progress:
        written = discard_letters(found.kafka, found.archive.topic, letters, lambda n: progress(n, len(letters)))
        asyncio.run(written)


def _letters_of(found: Opened, place: RecordId, workflows: Collection[str]) -> list[tuple[Letter, Marker | None]]:
    def belongs(identity: Identity) -> bool:
        return identity.place == place and of_deployment(found.group, identity)

    with shown_count("Reading dead letters") as progress:
        book = found.archive.read(DeadLetterIndex(belongs, keep_done=True), progress)
    still_open = book.open_letters()
    open_now = {letter.identity for letter in still_open}
    known: list[tuple[Letter, Marker | None]] = [(letter, None) for letter in still_open]
    known += [ended for identity, ended in book.done.items() if identity not in open_now]
    chosen = [one for one in known if not workflows or one[0].identity.workflow in workflows]
    return sorted(chosen, key=lambda one: (one[0].identity, one[0].timestamp_ms))


def _place(text: str) -> RecordId:
    try:
        return read_place(text)
    except ValueError as error:
        raise config_error("PLACE", str(error)) from error


def _settings(given: options.Given) -> Settings:
    return options.load(given, workflows_required=False, topics_required=False, needs=Needs.KAFKA).settings


async def discard_letters(
    kafka: KafkaPolicy, topic: str, letters: Sequence[Letter], progress: Callable[[int], None]
) -> None:
    """Write a marker for each; return when all are acknowledged. `progress` is called with the number written.

    Raises:
        SourceError: some could not be written; those letters are still open.
    """
    with opened_marks(kafka, topic) as (marks, _):
        for number, letter in enumerate(letters, 1):
            marks.end(letter, DISCARDED)
            progress(number)
            await _room(marks, AT_ONCE)
        await _room(marks, 1)


async def _room(marks: MarkerWriter, count: int) -> None:
    if marks.outstanding >= count and not await marks.fewer_than(count, PATIENCE_S):
        raise SourceError(f"{marks.outstanding} letters could not be ended ({marks.last_error or 'no answer'}).")

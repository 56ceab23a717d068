"""Folds the records of the dead-letter topic: copies of one letter are one, and markers end them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from stream.core.letters import Identity, Letter, Marker, read_letter
from stream.core.model import Record


class LetterBook:
    """Which letters are open. Records are taken in order of their offsets within each partition.

    Letter and marker lie on the same partition, so the last one of an identity there decides. Copies of a letter may
    lie on several partitions: it is open while it is on one of them.
    """

    def __init__(self, belongs: Callable[[Identity], bool], keep_done: bool = False) -> None:
        self.ended: Counter[str] = Counter()
        """Letters that are done with, by the marker's reason."""
        self.foreign = 0
        """Letters of groups that are none of ours."""
        self.unknown = 0
        """Records that are no letters."""
        self.done: dict[Identity, tuple[Letter, Marker]] = {}
        """With `keep_done`: letters that are done with, and by which marker."""
        self._belongs = belongs
        self._keep_done = keep_done
        self._open: dict[int, dict[Identity, Letter]] = {}

    def take(self, record: Record) -> None:
        """The next record of its partition."""
        found = read_letter(record)
        if found is None:
            self.unknown += 1
        elif not self._belongs(found.identity):
            self.foreign += isinstance(found, Letter)
        elif isinstance(found, Marker):
            self._end(self._open.setdefault(record.partition, {}), found)
        else:
            self._add(self._open.setdefault(record.partition, {}), found)

    def open_letters(self) -> list[Letter]:
        """Every open letter once, by topic, partition and offset of its event."""
        merged: dict[Identity, Letter] = {}
        for letters in self._open.values():
            for identity, letter in letters.items():
                other = merged.get(identity)
                merged[identity] = letter if other is None else _merge(other, letter)
        return sorted(merged.values(), key=lambda letter: letter.identity[1:] + letter.identity[:1])

    def _add(self, letters: dict[Identity, Letter], letter: Letter) -> None:
        before = letters.get(letter.identity)
        if before is not None:
            letter.copies = before.copies + 1
        letters[letter.identity] = letter
        _note_done(letters, letter.identity)

    def _end(self, letters: dict[Identity, Letter], marker: Marker) -> None:
        letter = letters.pop(marker.identity, None)
        _note_done(letters, marker.identity)
        if letter is None:
            return
        self.ended[marker.reason] += 1
        if self._keep_done:
            self.done[marker.identity] = letter, marker


def _note_done(letters: dict[Identity, Letter], identity: Identity) -> None:
    """A workflow's own letter or marker after one without a workflow: this workflow is done with that one."""
    if not identity.workflow:
        return
    whole = letters.get(identity._replace(workflow=""))
    if whole is not None:
        whole.done_by |= {identity.workflow}


def _merge(one: Letter, other: Letter) -> Letter:
    first, second = sorted((one, other), key=lambda letter: letter.failed_at_ms)
    return replace(
        second,
        copies=one.copies + other.copies,
        elsewhere=(*second.elsewhere, first.at, *first.elsewhere),
        done_by=one.done_by | other.done_by,
    )

"""Folds the records of the dead-letter topic: copies of one letter are one, and markers end them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from stream.model.letters import Identity, Letter, Marker, read_letter
from stream.model.records import Record

Letters = dict[Identity, list[Letter]]
"""By identity without the topic id: nearly always one; several, in order, where the topic was created again."""


class DeadLetterIndex:
    """Which letters are open. Records are taken in order of their offsets within each partition.

    Letter and marker lie on the same partition, so the last one of an identity there decides. Copies of a letter may
    lie on several partitions: it is open while it is on one of them.
    """

    def __init__(self, belongs: Callable[[Identity], bool], keep_done: bool = False) -> None:
        self.ended: Counter[str] = Counter()
        """Letters that are done with, by the marker's reason."""
        self.foreign = 0
        """Letters of groups outside this deployment."""
        self.unknown = 0
        """Records that are not letters."""
        self.done: dict[Identity, tuple[Letter, Marker]] = {}
        """With `keep_done`: letters that are done with, and by which marker."""
        self._belongs = belongs
        self._keep_done = keep_done
        self._open: dict[int, Letters] = {}

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
        merged: Letters = {}
        for letters in self._open.values():
            for base, of_base in letters.items():
                for letter in of_base:
                    others = merged.setdefault(base, [])
                    other = next((one for one in others if one.is_same(letter)), None)
                    if other is not None:
                        others.remove(other)
                    others.append(letter if other is None else _merge(other, letter))
        return sorted((letter for of_base in merged.values() for letter in of_base), key=_order)

    def _add(self, letters: Letters, letter: Letter) -> None:
        of_base = letters.setdefault(_base(letter.identity), [])
        before = next((one for one in reversed(of_base) if one.is_same(letter)), None)
        if before is not None:
            of_base.remove(before)
            letter.copies = before.copies + 1
            letter.identity = _known(letter.identity, before.identity)
        of_base.append(letter)
        for whole in _without_workflow(letters, letter.identity):
            if whole.is_same(letter):
                whole.done_by |= {letter.identity.workflow}

    def _end(self, letters: Letters, marker: Marker) -> None:
        for whole in _without_workflow(letters, marker.identity):
            if marker.ends(whole):
                whole.done_by |= {marker.identity.workflow}
        of_base = letters.get(_base(marker.identity), [])
        letter = next((one for one in reversed(of_base) if marker.ends(one)), None)
        if letter is None:
            return
        of_base.remove(letter)
        self.ended[marker.reason] += 1
        if self._keep_done:
            self.done[letter.identity] = letter, marker


def _base(identity: Identity) -> Identity:
    return identity._replace(topic_id="") if identity.topic_id else identity


def _known(one: Identity, other: Identity) -> Identity:
    return one if one.topic_id else other


def _order(letter: Letter) -> tuple[object, ...]:
    identity = letter.identity
    return *identity.place, identity.workflow, letter.timestamp_ms, identity.topic_id, identity.group


def _without_workflow(letters: Letters, identity: Identity) -> list[Letter]:
    """The letters of the same event that have no workflow, where `identity` has one: it is done with them."""
    return letters.get(_base(identity)._replace(workflow=""), []) if identity.workflow else []


def _merge(one: Letter, other: Letter) -> Letter:
    first, second = sorted((one, other), key=lambda letter: letter.failed_at_ms)
    return replace(
        second,
        identity=_known(second.identity, first.identity),
        copies=one.copies + other.copies,
        elsewhere=(*second.elsewhere, first.at, *first.elsewhere),
        done_by=one.done_by | other.done_by,
    )

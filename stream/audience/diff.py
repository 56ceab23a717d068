"""What has changed since the last sync: two sorted streams, walked side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from stream.audience.runs import MemberRow

LEFT = b"false"
"""What a user who is no longer in an audience is told to be."""


class MemberChange(NamedTuple):
    """One user's new value for the event, and what the state keeps of it."""

    user: bytes
    value: bytes
    state: bytes | None
    """None: nothing is kept (a tombstone)."""


@dataclass(slots=True)
class Tally:
    """Users by what became of them."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    left_alone: int = 0
    """Known from before and not in the file, where that means nothing."""

    @property
    def changes(self) -> int:
        """Users who get an event."""
        return self.added + self.changed + self.removed

    @property
    def wanted(self) -> int:
        """Users in the file."""
        return self.added + self.changed + self.unchanged


def find_changes(
    wanted: Iterable[MemberRow], known: Iterable[MemberRow], tally: Tally, *, removes: bool
) -> Iterator[MemberChange]:
    """Every change, by user. Both are sorted and have each user once.

    `removes`: a user who is known and not wanted has left; otherwise he is left alone.
    """
    news, olds = iter(wanted), iter(known)
    new, old = next(news, None), next(olds, None)
    while new is not None or old is not None:
        if new is not None and (old is None or new.user < old.user):
            tally.added += 1
            yield MemberChange(new.user, new.value, new.value)
            new = next(news, None)
        elif old is not None and (new is None or old.user < new.user):
            yield from _absent(old, tally, removes)
            old = next(olds, None)
        elif new is not None and old is not None:
            yield from _present(new, old, tally)
            new, old = next(news, None), next(olds, None)


def _absent(old: MemberRow, tally: Tally, removes: bool) -> Iterator[MemberChange]:
    if removes:
        tally.removed += 1
        yield MemberChange(old.user, LEFT, None)
    else:
        tally.left_alone += 1


def _present(new: MemberRow, old: MemberRow, tally: Tally) -> Iterator[MemberChange]:
    if new.value == old.value:
        tally.unchanged += 1
    else:
        tally.changed += 1
        yield MemberChange(new.user, new.value, new.value)

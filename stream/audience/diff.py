"""What has changed since the last sync (two sorted streams, walked side by side), and the event of one change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from stream.audience.names import Computation
from stream.audience.runs import MemberRow

LEFT = b"false"
"""What a user who is no longer in an audience is set to."""

_ID_DIGITS = 32


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


@dataclass(frozen=True)
class EventForm:
    """What all events of one audience or trait have in common."""

    computation: Computation
    integration_name: str
    registered_at: str

    def identify(self, change: MemberChange, number: int, timestamp: str) -> bytes:
        """The event's bytes. `number`: how many changes of this computation came before."""
        found = self.computation
        personas = {"computation_class": found.kind, "computation_key": found.key, "computation_id": found.id}
        return orjson.dumps(
            {
                "type": "identify",
                "userId": orjson.Fragment(change.user),
                "messageId": self.message_id(change, number),
                "timestamp": timestamp,
                "traits": {found.key: orjson.Fragment(change.value)},
                "context": {"personas": personas},
                "integrations": {"All": False, self.integration_name: True},
            }
        )

    def message_id(self, change: MemberChange, number: int) -> str:
        """The same whenever the same change is written again, and never that of another one.

        The number is that of a change which was committed. A sync that died before that is repeated from the
        last committed number on, in the same order, and so gives the change the same number again; a change
        that was committed has moved the number on for good.
        """
        parts = (self.computation.key.encode(), self.registered_at.encode(), b"%d" % number, change.user, change.value)
        return self.computation.kind + "-" + hashlib.sha256(b"\n".join(parts)).hexdigest()[:_ID_DIGITS]

"""The identify event that tells a workflow of one change."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from stream.audience.diff import MemberChange
from stream.audience.names import Computation

_ID_DIGITS = 32


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

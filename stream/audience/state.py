"""The form of the records on the state topic.

| record                                          | key                | value                                    |
|-------------------------------------------------|--------------------|------------------------------------------|
| head, one for each audience and trait           | `["<key>"]`        | its exact name, and how many changes     |
| a user in an audience, or with a trait's value  | `["<key>","<id>"]` | `true`, or the value; none: user removed |

Keys and values are JSON without blanks. Audiences and traits share the keys, since both write a trait of that name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

from stream.audience.names import Computation, Kind
from stream.audience.refusal import refusal
from stream.model.errors import SourceError


@dataclass(frozen=True)
class StateHead:
    """What the topic remembers of an audience or trait as a whole; written anew with every transaction."""

    kind: Kind
    name: str
    id: str
    registered_at: str
    partitions: int
    """Of the state topic. Were it to grow, a user's old and new record could lie apart and both be kept."""
    changes: int = 0
    """Events written so far. It numbers them, so that each has a messageId of its own for ever."""
    synced_at: str = ""

    def encode(self) -> bytes:
        """The record's value."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> StateHead:
        """Raises SourceError: the record is not one of ours."""
        try:
            return cls(**orjson.loads(value))
        except (orjson.JSONDecodeError, TypeError) as error:
            raise SourceError("The state topic holds a record that is not of this program's form.") from error

    def refuse_other(self, wanted: Computation, partitions: int) -> None:
        """Raise ConfigError where this head is another computation's, or its topic has grown."""
        if (self.kind, self.name) != (wanted.kind, wanted.name):
            what = f'"{wanted.name}" has the key {wanted.key}, which the {self.kind} "{self.name}" has already.'
            raise refusal("NAME", what, "Use that exact name if it is the same one, else another name.")
        if self.partitions != partitions:
            what = f"had {self.partitions} partitions when {self.kind} {wanted.key} began and has {partitions} now."
            raise refusal("state topic", what, "A compacted topic must not grow: recreate it; then all are sent anew.")


def head_key(key: str) -> bytes:
    """Key of the head's record."""
    return orjson.dumps([key])


def user_key_prefix(key: str) -> bytes:
    """What the keys of all users' records of one computation begin with."""
    return orjson.dumps([key])[:-1] + b","


def user_key(prefix: bytes, user: bytes) -> bytes:
    """Key of one user's record; `user` is the id as a JSON string."""
    return prefix + user + b"]"


def user_of_key(prefix: bytes, key: bytes) -> bytes:
    """The way back from `user_key`."""
    return key[len(prefix) : -1]

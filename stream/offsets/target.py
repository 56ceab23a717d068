"""Where a reset leads, in the words of kafka-consumer-groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stream.model.records import TopicPartition

Word = Literal["earliest", "latest", "current", "offset", "time", "shift", "file"]


@dataclass(frozen=True)
class Target:
    """Where to: `number` is an offset, a shift, or milliseconds of Unix time, as the word has it."""

    word: Word
    number: int = 0
    offsets: Mapping[TopicPartition, int] | None = None
    """Of the file."""


class Known(NamedTuple):
    """What is known of a partition."""

    first: int
    end: int
    committed: int | None
    at_time: int | None = None
    """Its first record at or after the target's time; None: there is none."""


class NewOffset(NamedTuple):
    """Where a partition is set to, and what had to be changed of what was asked for."""

    offset: int
    note: str = ""


class NothingToShiftError(ValueError):
    """There is no committed offset to begin from."""


def new_offset(target: Target, tp: TopicPartition, known: Known) -> NewOffset:
    """The offset that the target means for this partition, within what it holds.

    Raises:
        NothingToShiftError: it is to be shifted, and nothing is committed.
    """
    match target.word:
        case "earliest":
            return NewOffset(known.first)
        case "latest":
            return NewOffset(known.end)
        case "current":
            return (
                NewOffset(known.end, "nothing is committed") if known.committed is None else NewOffset(known.committed)
            )
        case "time":
            return NewOffset(known.end if known.at_time is None else known.at_time)
        case "shift":
            if known.committed is None:
                raise NothingToShiftError(f"{tp.topic}:{tp.partition}")
            return _within(known.committed + target.number, known)
        case "file":
            return _within((target.offsets or {})[tp], known)
        case "offset":
            return _within(target.number, known)


def _within(asked: int, known: Known) -> NewOffset:
    if asked < known.first:
        return NewOffset(known.first, f"{asked} is below the first offset")
    if asked > known.end:
        return NewOffset(known.end, f"{asked} is beyond the end")
    return NewOffset(asked)

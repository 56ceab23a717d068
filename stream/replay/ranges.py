"""The ends of a range of events: the values of `--from` and `--until`, and the offset of each in a partition."""

from __future__ import annotations

from dataclasses import dataclass

from stream.model.timeparse import DURATION_FORMS, TIME_FORMS, parse_moment

FORMS = f"""earliest, latest, committed;
  an offset such as 1200; -1200: that many before the end;
  a time: {TIME_FORMS};
  a duration back from now: {DURATION_FORMS}"""
"""What an end may be, for messages."""


@dataclass(frozen=True)
class Earliest:
    """The first record that the topic still holds."""


@dataclass(frozen=True)
class Latest:
    """The end: past the last record that a reader of committed records can see."""


@dataclass(frozen=True)
class CommittedOffset:
    """What the live group has committed; in a partition without a commit, where it would begin: the first record."""


@dataclass(frozen=True)
class AtOffset:
    """This offset in every partition."""

    offset: int


@dataclass(frozen=True)
class BeforeEnd:
    """So many offsets before the end of each partition."""

    count: int


@dataclass(frozen=True)
class AtTime:
    """The first record of each partition whose timestamp is at or after this one; the end when there is none."""

    ms: int


End = Earliest | Latest | CommittedOffset | AtOffset | BeforeEnd | AtTime

_WORDS: dict[str, End] = {"earliest": Earliest(), "latest": Latest(), "committed": CommittedOffset()}


@dataclass(frozen=True)
class PartitionFacts:
    """What Kafka says of a partition."""

    first: int
    """Offset of its first record."""
    end: int
    """Where a reader of committed records comes to its end."""
    committed: int | None = None
    """What the live group has committed."""


def parse_end(text: str, now_ms: int) -> End:
    """The end that a word of `--from` or `--until` means; durations count back from `now_ms`.

    Raises:
        ValueError: it is none; the text says what is accepted.
    """
    word = text.strip()
    if (known := _WORDS.get(word.lower())) is not None:
        return known
    if word.isascii() and word.isdigit():
        return AtOffset(int(word))
    if word.startswith("-") and word[1:].isascii() and word[1:].isdigit():
        return BeforeEnd(int(word[1:]))
    try:
        return AtTime(parse_moment(word, now_ms))
    except ValueError as error:
        why = str(error).partition(" Accepted are:")[0]
        raise ValueError(f"{why} Accepted are:\n  {FORMS}.") from error


def resolve(end: End, facts: PartitionFacts, at_time: int | None = None) -> int:
    """The offset that `end` means in a partition, within what it holds.

    `at_time` is the offset of the first record at or after the time of an `AtTime`; None when there is none.
    """
    match end:
        case Earliest():
            offset = facts.first
        case Latest():
            offset = facts.end
        case CommittedOffset():
            offset = facts.first if facts.committed is None else facts.committed
        case AtOffset(at):
            offset = at
        case BeforeEnd(count):
            offset = facts.end - count
        case AtTime():
            offset = facts.end if at_time is None else at_time
    return min(max(offset, facts.first), facts.end)

"""`offsets reset`: what would be written, and writing it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stream.kafka.client_config import KafkaPolicy, reader_config
from stream.kafka.groups import Groups, GroupState
from stream.kafka.reader import OffsetReader
from stream.model.committed import Committed
from stream.model.errors import SourceError, StreamError, config_error
from stream.model.origin import split_origin
from stream.model.records import TopicPartition
from stream.offsets.groups import Ranges, ranges_of, require_partitions
from stream.offsets.show import progress_of


class NothingToResetError(StreamError):
    """What was asked for has no meaning for some partition."""


@dataclass(frozen=True)
class OffsetChange:
    """One partition of one group."""

    tp: TopicPartition
    committed: int | None
    new: NewOffset
    repeated: int
    """Events that a workflow has done beyond the committed offset: what is done there is forgotten."""


@dataclass(frozen=True)
class Reset:
    """What a reset writes, by group."""

    changes: Mapping[str, Sequence[OffsetChange]]
    states: Mapping[str, GroupState]

    @property
    def active(self) -> list[str]:
        """Groups that have members, whose offsets Kafka lets nobody else set."""
        return [group for group, state in self.states.items() if not state.is_idle]

    def offsets(self) -> dict[str, dict[TopicPartition, int]]:
        """The new offsets alone."""
        return {group: {c.tp: c.new.offset for c in changes} for group, changes in self.changes.items()}


def plan_reset(
    policy: KafkaPolicy,
    groups: Groups,
    workflows: Mapping[str, tuple[str, ...]],
    only: Mapping[str, frozenset[int]],
    target: Target,
    rows: Sequence[OffsetRow] = (),
) -> Reset:
    """Resolve the target for these groups; `rows` are those of the file, where the target is one. Blocking.

    Raises:
        ConfigError: the topics, the partitions or the file's rows do not fit.
        NothingToResetError: offsets are to be shifted where nothing is committed.
    """
    ranges = ranges_of(policy, only)
    of_file = _rows_by_group(rows, list(workflows), ranges) if target.word == "file" else {}
    at_time = _at_time(policy, ranges, target)
    changes: dict[str, list[OffsetChange]] = {}
    for group, names in workflows.items():
        tps = sorted(of_file.get(group, {})) if target.word == "file" else sorted(ranges)
        commits = groups.committed(group, tps)
        known = {tp: Known(*ranges[tp], _offset(commits.get(tp)), at_time.get(tp)) for tp in tps}
        own = Target(target.word, target.number, of_file.get(group))
        new = _resolve(own, known, group)
        changes[group] = [
            OffsetChange(tp, known[tp].committed, new[tp], _repeated(commits.get(tp), known[tp].end, names))
            for tp in tps
        ]
    return Reset(changes, {group: groups.describe(group) for group in workflows})


def execute_reset(reset: Reset, groups: Groups) -> None:
    """Write every group's offsets, without a map of what is done beyond them; and see that they are there. Blocking.

    Raises:
        GroupActiveError: one of the groups has members; nothing is written then.
        SourceError: an offset was not stored.
    """
    for group in reset.changes:
        groups.require_idle(group)
    for group, offsets in reset.offsets().items():
        if not offsets:
            continue
        before = groups.committed(group, list(offsets))
        wanted = {tp: Committed(offset, _origin(before.get(tp))) for tp, offset in offsets.items()}
        groups.write(group, wanted)
        if groups.committed(group, list(wanted)) != wanted:
            raise SourceError(f"Kafka did not keep the offsets of {group} as they were written. Look: offsets show.")


def _origin(commit: Committed | None) -> str:
    return "" if commit is None else split_origin(commit.metadata)[1]


def _resolve(target: Target, known: Mapping[TopicPartition, Known], group: str) -> dict[TopicPartition, NewOffset]:
    found: dict[TopicPartition, NewOffset] = {}
    missing = []
    for tp, one in known.items():
        try:
            found[tp] = new_offset(target, tp, one)
        except NothingToShiftError as error:
            missing.append(str(error))
    if missing:
        raise NothingToResetError(
            f"{group} has committed nothing that could be shifted for: {', '.join(missing)}. "
            "Leave them out with --topic, or use another word."
        )
    return found


def _rows_by_group(
    rows: Sequence[OffsetRow], groups: Sequence[str], ranges: Ranges
) -> dict[str, dict[TopicPartition, int]]:
    require_partitions("--from-file", (tp for _, tp, _ in rows), ranges)
    found: dict[str, dict[TopicPartition, int]] = {}
    for named, tp, offset in rows:
        if named and named not in groups:
            raise config_error("--from-file", f"names the group {named}.", f"There are: {', '.join(groups)}.")
        if not named and len(groups) > 1:
            fix = "Write group,topic,partition,offset, or choose one --workflow."
            raise config_error("--from-file", "names no group, and each workflow has one.", fix)
        found.setdefault(named or groups[0], {})[tp] = offset
    return found


def _at_time(policy: KafkaPolicy, ranges: Ranges, target: Target) -> dict[TopicPartition, int]:
    if target.word != "time":
        return {}
    with OffsetReader(reader_config(policy)) as reader:
        return reader.at_time(ranges, target.number)


def _offset(commit: Committed | None) -> int | None:
    return None if commit is None else commit.offset


def _repeated(commit: Committed | None, end: int, workflows: tuple[str, ...]) -> int:
    if commit is None or not workflows:
        return 0
    progress = progress_of(commit, end, workflows)
    return sum(progress.lag - progress.left_of(name) for name in workflows)


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


Offsets = Mapping[TopicPartition, int]
OffsetRow = tuple[str, TopicPartition, int]
"""(group, or nothing where it is not named; partition; offset)."""


def write_offsets(offsets: Mapping[str, Offsets]) -> Iterator[str]:
    """A line for each partition of each group; several groups are named in a first column."""
    for group, of_group in offsets.items():
        prefix = f"{group}," if len(offsets) > 1 else ""
        for tp, offset in sorted(of_group.items()):
            yield f"{prefix}{tp.topic},{tp.partition},{offset}"


def read_offsets(lines: Iterable[str]) -> list[OffsetRow]:
    """The rows of such a file; blank lines do not count.

    Raises:
        ValueError: a line is of another form, or a partition comes twice; the text says which line.
    """
    rows: dict[tuple[str, TopicPartition], int] = {}
    for number, cells in enumerate(_cells(lines), 1):
        if not any(cell.strip() for cell in cells):
            continue
        group, tp, offset = _read(cells, number)
        if (group, tp) in rows:
            raise ValueError(f"line {number} names {tp.topic}:{tp.partition} again.")
        rows[group, tp] = offset
    return [(group, tp, offset) for (group, tp), offset in rows.items()]


def _cells(lines: Iterable[str]) -> Iterator[list[str]]:
    table = csv.reader(lines)
    try:
        yield from table
    except csv.Error as error:
        raise ValueError(f"line {table.line_num} is not CSV: {error}.") from error


def _read(cells: list[str], number: int) -> OffsetRow:
    cells = [cell.strip() for cell in cells]
    group, rest = (cells[0], cells[1:]) if len(cells) == 4 else ("", cells)
    try:
        topic, partition, offset = rest
        return group, TopicPartition(topic, _whole(partition)), _whole(offset)
    except ValueError:
        raise ValueError(f"line {number} is not topic,partition,offset (or group,topic,partition,offset).") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)

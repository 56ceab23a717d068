"""Offsets as lines of CSV, as kafka-consumer-groups writes and reads them: `topic,partition,offset`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

from stream.model.records import TopicPartition

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

"""Read a file of members or values by lines (CSV, JSON Lines or a list of ids); a value has one spelling as JSON."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson

from stream.audience.columns import DELIMITERS, ColumnLayout
from stream.model.errors import ConfigError, config_error

MAX_LINE_BYTES = 1024 * 1024
MEMBER = b"true"
"""The value of everyone who is in an audience."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_NUMBER_LENGTH = 40
_LARGEST_EXACT = 2**53
_WORDS: dict[str, object] = {"": None, "true": True, "false": False}


class Entry(NamedTuple):
    """One row. `user` is empty when the id is blank, None when the whole line is."""

    line: int
    user: str | None
    value: bytes = MEMBER
    fault: str = ""
    """Why the row cannot be used, to follow "line 7"."""


class Lines:
    """The lines of a file as text, numbered; those before the first that is not empty are passed over."""

    def __init__(self, raw: Iterable[bytes], option: str) -> None:
        self._raw = iter(raw)
        self._option = option
        self.number = 0
        self._again = ""
        self.first = self._again = next((line for line in self if line.strip()), "")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            line, self._again = self._again, ""
            return line
        return self._decode(next(self._raw))

    def _decode(self, raw: bytes) -> str:
        self.number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise self.refused("is longer than 1 MiB.", "Is this the right file?")
        try:
            return raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self.refused("is not UTF-8.", "Export the file as UTF-8.") from error

    def refused(self, what: str, fix: str = "") -> ConfigError:
        """The error about the line that was read last."""
        return config_error(self._option, f"line {self.number} {what}", fix)


def read_entries(raw: Iterable[bytes], layout: ColumnLayout, file_name: str = "") -> Iterator[Entry]:
    """Every row of the file; nothing is read beyond its first lines before the first row is asked for.

    Raises:
        ConfigError: a column is missing, or a line is not UTF-8, not CSV, not JSON; the text names the line.
    """
    lines = Lines(raw, layout.option)
    match layout.find_form(file_name, lines.first):
        case "csv":
            return _read_csv(lines, layout)
        case "jsonl":
            return _read_jsonl(lines, layout)
        case "list" if layout.has_values:
            raise config_error(
                layout.option, "is a list, which has no values.", "Give CSV with a header, or JSON Lines."
            )
        case "list":
            return (Entry(lines.number, line.strip() or None) for line in lines)


def _read_csv(lines: Lines, layout: ColumnLayout) -> Iterator[Entry]:
    if not lines.first:
        return iter(())
    csv.field_size_limit(MAX_LINE_BYTES)  # for the whole process, whose default is 128 KiB
    delimiter = _find_delimiter(lines.first, layout)
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(table)]
    except csv.Error as error:
        raise _not_csv(lines, error) from error
    user = layout.find_user(header)
    value = layout.find_value(header, user) if layout.has_values else user
    return _csv_rows(table, lines, (len(header), header.index(user), header.index(value)), layout)


def _find_delimiter(first: str, layout: ColumnLayout) -> str:
    """The one by which the user's column is found; errors are reported as for a comma."""
    for delimiter in DELIMITERS:
        try:
            layout.find_user([name.strip() for name in next(csv.reader([first], delimiter=delimiter))])
        except (ConfigError, csv.Error):
            continue
        return delimiter
    return DELIMITERS[0]


def _csv_rows(
    table: Iterator[list[str]], lines: Lines, places: tuple[int, int, int], layout: ColumnLayout
) -> Iterator[Entry]:
    try:
        for cells in table:
            yield _csv_entry(cells, lines.number, places, layout)
    except csv.Error as error:
        raise _not_csv(lines, error) from error


def _csv_entry(cells: list[str], number: int, places: tuple[int, int, int], layout: ColumnLayout) -> Entry:
    width, user, value = places
    if not cells:
        return Entry(number, None)
    if len(cells) != width:
        return Entry(number, "", fault=f"has {len(cells)} cells where the header has {width}.")
    if layout.has_values:
        return _valued(number, cells[user].strip(), read_cell(cells[value], layout.as_text))
    return Entry(number, cells[user].strip())


def _not_csv(lines: Lines, error: csv.Error) -> ConfigError:
    if "field limit" in str(error):
        return lines.refused("ends in a cell of more than 1 MiB.", "Is a quote left open?")
    return lines.refused(f"is not CSV: {error}.", "Is a quote left open?")


def _read_jsonl(lines: Lines, layout: ColumnLayout) -> Iterator[Entry]:
    if not lines.first:
        return iter(())
    columns = list(_parse_object(lines.first, lines))
    user = layout.find_user(columns)
    value = layout.find_value(columns, user) if layout.has_values else None
    return _jsonl_rows(lines, user, value)


def _jsonl_rows(lines: Lines, user: str, value: str | None) -> Iterator[Entry]:
    for line in lines:
        if not line.strip():
            continue
        row = _parse_object(line, lines)
        found = _id_text(row.get(user))
        if found is None:
            fault = "has an id that is neither text nor a whole number of at most 64 bits."
            yield Entry(lines.number, "", fault=fault)
        elif value is None:
            yield Entry(lines.number, found)
        elif value not in row:
            yield Entry(lines.number, found, fault=f"has no {ascii(value)[1:-1][:40]}.")
        else:
            yield _valued(lines.number, found, row[value])


def _parse_object(line: str, lines: Lines) -> Mapping[str, object]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise lines.refused("is not JSON.", "Write one JSON object a line.") from error
    if not isinstance(row, dict):
        raise lines.refused("is not a JSON object.", "Write one JSON object a line.")
    return row


def _id_text(raw: object) -> str | None:
    if raw is None:
        return ""
    if isinstance(raw, str):
        return raw.strip()
    return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else None


def _valued(line: int, user: str, raw: object) -> Entry:
    value = scalar_json(raw)
    if value is None:
        return Entry(line, user, fault="has a value that is neither text, a finite number, a boolean nor null.")
    return Entry(line, user, value)


def scalar_json(value: object) -> bytes | None:
    """The value as JSON; None when it is not a scalar that JSON can hold.

    450, 450.0 and 4.5e2 are one value and have one spelling.
    """
    if isinstance(value, float):
        return _number_json(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    return orjson.dumps(value) if value is None or isinstance(value, bool | str) else None


def read_cell(text: str, as_text: bool) -> object:
    """What a cell of a CSV file means: empty null, true and false booleans, JSON's numbers numbers, else text.

    With `as_text` every cell is text.
    """
    if as_text:
        return text
    stripped = text.strip()
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    found = _NUMBER.fullmatch(stripped) if len(stripped) <= _MAX_NUMBER_LENGTH else None
    if found is None:
        return text
    return float(stripped) if found[1] or found[2] else int(stripped)


def _number_json(value: float) -> bytes | None:
    if not math.isfinite(value):
        return None
    if value.is_integer() and abs(value) <= _LARGEST_EXACT:
        return b"%d" % int(value)
    return orjson.dumps(value)

"""Which columns of a file hold the user's id and the value, and which form the file has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from stream.audience.names import snake_case
from stream.model.errors import ConfigError, config_error

Form = Literal["csv", "jsonl", "list"]

USER_COLUMN = "user_id"
VALUE_COLUMN = "value"
DELIMITERS = (",", "\t", ";")

_FORMS_BY_SUFFIX: dict[str, Form] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_SHOWN_COLUMNS = 8


@dataclass(frozen=True)
class ColumnLayout:
    """How the user says the file is to be read."""

    option: str
    """The option that names the file; errors begin with it."""
    form: Form | None = None
    """None: found out from the name of the file, or its first line."""
    user_column: str | None = None
    has_values: bool = False
    value_column: str | None = None
    key: str = ""
    """The trait's key: a column of this name holds its values."""
    as_text: bool = False

    def find_form(self, file_name: str, first_line: str) -> Form:
        """csv, jsonl or list."""
        if self.form is not None:
            return self.form
        by_suffix = _FORMS_BY_SUFFIX.get(PurePath(file_name).suffix.lower())
        if by_suffix is not None:
            return by_suffix
        start = first_line.lstrip()[:1]
        if start == "{":
            return "jsonl"
        if start == "[":
            raise config_error(self.option, "begins with [, so it is one JSON array.", "Write one JSON object a line.")
        has_header = self.has_values or self.user_column is not None or _is_user_column(first_line)
        return "csv" if has_header or any(delimiter in first_line for delimiter in DELIMITERS) else "list"

    def find_user(self, columns: Sequence[str]) -> str:
        """The column of the user's id: the one that was named, else the one spelled like user_id.

        Raises:
            ConfigError: there is none, or more than one.
        """
        if self.user_column is not None:
            return self._named(self.user_column, columns)
        found = [column for column in columns if _is_user_column(column)]
        if len(found) > 1:
            raise config_error(self.option, f"has the columns {_listed(found)}.", "Choose one with --user-column.")
        if not found:
            raise self._missing(USER_COLUMN, columns, "Name the column of the user's id with --user-column.")
        return found[0]

    def find_value(self, columns: Sequence[str], user: str) -> str:
        """The column of the value: the one named, else `value`, else the trait's own, else the only other one.

        Raises:
            ConfigError: there is none.
        """
        if self.value_column is not None:
            return self._named(self.value_column, columns)
        others = [column for column in columns if column != user]
        for wanted in (VALUE_COLUMN, self.key):
            for column in others:
                if snake_case(column) == wanted:
                    return column
        if len(others) != 1:
            raise self._missing(VALUE_COLUMN, columns, "Name the column of the values with --value-column.")
        return others[0]

    def _named(self, wanted: str, columns: Sequence[str]) -> str:
        if wanted not in columns:
            raise self._missing(wanted, columns, "Names are compared exactly.")
        return wanted

    def _missing(self, wanted: str, columns: Sequence[str], fix: str) -> ConfigError:
        return config_error(self.option, f"has no column {wanted}; it has {_listed(columns)}.", fix)


def _is_user_column(column: str) -> bool:
    """user_id, userId, USER_ID, "User ID" and the like; never a mere `id`, which may be a row's."""
    return re.sub(r"[\s_\-\"]", "", column).lower() == "userid"


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(ascii(column)[1:-1][:40] for column in columns[:_SHOWN_COLUMNS])
    return shown + (", …" if len(columns) > _SHOWN_COLUMNS else "") if columns else "none"

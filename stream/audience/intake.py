"""The file of members or values, or standard input: how it is opened, and what of it is taken or refused."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import UnsupportedOperation
from typing import BinaryIO

from stream.audience.members import MAX_LINE_BYTES, Entry
from stream.model.errors import config_error

STANDARD_INPUT = "-"

MAX_BLANK_PERCENT = 1


@dataclass(frozen=True)
class InputFile:
    """A file opened for reading."""

    name: str
    file: BinaryIO
    option: str

    @property
    def is_complete(self) -> bool:
        """Whether all of it is there already; a pipe's other end may still be writing."""
        try:
            return stat.S_ISREG(os.fstat(self.file.fileno()).st_mode)
        except UnsupportedOperation:  # no file of the system at all
            return False

    def lines(self) -> Iterator[bytes]:
        """Its lines; one that is too long comes in parts, of which the first is longer than a line may be.

        Raises:
            ConfigError: reading failed.
        """
        try:
            yield from iter(partial(self.file.readline, MAX_LINE_BYTES + 1), b"")
        except OSError as error:
            raise _unreadable(self.option, self.name, error) from error


@contextmanager
def open_source(name: str, option: str) -> Iterator[InputFile]:
    """Open `name`, or standard input where it is `-`.

    Raises:
        ConfigError: it cannot be read.
    """
    if name == STANDARD_INPUT:
        yield InputFile("", sys.stdin.buffer, option)
        return
    try:
        file = open(name, "rb")  # noqa: SIM115 - closed below; only opening it may fail like this
    except OSError as error:
        raise _unreadable(option, name, error) from error
    with file:
        yield InputFile(name, file, option)


def _unreadable(option: str, name: str, error: OSError) -> Exception:
    return config_error(option, f"{name or 'standard input'} cannot be read: {error.strerror}.")


@dataclass(slots=True)
class RowIntake:
    """Counts of rows. Every row is taken, blank or bad."""

    option: str
    skip_bad: bool = False
    read: int = 0
    blank: int = 0
    bad: int = 0
    first_blank: int = 0
    """Line of the first blank id; 0: none."""

    @property
    def taken(self) -> int:
        """Rows with an id and, where one is needed, a value."""
        return self.read - self.blank - self.bad

    def take(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The rows that can be used. Empty lines at the end of the file are not rows.

        Raises:
            ConfigError: at the first bad row, unless those are to be skipped.
        """
        empty_from = empties = 0
        for entry in entries:
            if entry.user is None:
                empty_from, empties = empty_from or entry.line, empties + 1
                continue
            if empties:
                self._count_blank(empty_from, empties)
                empty_from = empties = 0
            if entry.fault:
                self._count_bad(entry)
            elif entry.user:
                self.read += 1
                yield entry
            else:
                self._count_blank(entry.line, 1)

    def refuse_blanks(self) -> None:
        """Raise ConfigError when too many ids are blank, unless those are to be skipped."""
        if self.skip_bad or self.blank * 100 <= self.read * MAX_BLANK_PERCENT:
            return
        what = f"{self.blank:,} of {self.read:,} ids are blank, the first on line {self.first_blank}."
        raise config_error(self.option, what, "Is the user's column right? --skip-bad skips them.")

    def _count_blank(self, line: int, count: int) -> None:
        self.first_blank = self.first_blank or line
        self.read += count
        self.blank += count

    def _count_bad(self, entry: Entry) -> None:
        if not self.skip_bad:
            raise config_error(
                self.option, f"line {entry.line} {entry.fault}", "Fix it, or skip such lines: --skip-bad."
            )
        self.read += 1
        self.bad += 1

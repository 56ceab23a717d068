"""What of a file is taken, counted, skipped or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stream.audience.members import Entry
from stream.audience.names import refusal

MAX_BLANK_PERCENT = 1


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
        raise refusal(self.option, what, "Is the user's column right? --skip-bad skips them.")

    def _count_blank(self, line: int, count: int) -> None:
        self.first_blank = self.first_blank or line
        self.read += count
        self.blank += count

    def _count_bad(self, entry: Entry) -> None:
        if not self.skip_bad:
            raise refusal(self.option, f"line {entry.line} {entry.fault}", "Fix it, or skip such lines: --skip-bad.")
        self.read += 1
        self.bad += 1

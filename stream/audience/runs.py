"""Any number of lines in sorted order, in bounded memory: sorted runs in temporary files, merged."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, Self

from stream.model.errors import StreamError

RUN_BYTES = 16 * 1024 * 1024
"""Memory that lines may take before they are written as a run."""

MAX_RUNS = 64
"""Files open at once; that many are merged into one."""

_LINE_OVERHEAD = 48
_BUFFER_BYTES = 64 * 1024


class MemberRow(NamedTuple):
    """A user and a value. `user` is the id as a JSON string: free of tabs and line ends, and the sort key."""

    user: bytes
    value: bytes


class SortedLines:
    """Lines of bytes, each with its line end. Its files have no name, so nothing is left behind by a crash."""

    def __init__(self, run_bytes: int = RUN_BYTES, max_runs: int = MAX_RUNS, directory: Path | None = None) -> None:
        self._run_bytes = run_bytes
        self._max_runs = max_runs
        self._directory = directory or Path(tempfile.gettempdir())
        self._lines: list[bytes] = []
        self._room = run_bytes
        self._runs: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for run in self._runs:
            run.close()

    def add(self, line: bytes) -> None:
        """Add a line; none may be added while they are being read.

        Raises:
            StreamError: the temporary files cannot be written.
        """
        self._lines.append(line)
        self._room -= len(line) + _LINE_OVERHEAD
        if self._room < 0:
            self._end_run()

    def __iter__(self) -> Iterator[bytes]:
        """Every line in order, from the start; one reader at a time."""
        self._lines.sort()
        return heapq.merge(self._lines, *map(_from_start, self._runs))

    def _end_run(self) -> None:
        if len(self._runs) == self._max_runs:
            merged = _write_run(self._directory, self)
            for run in self._runs:
                run.close()
            self._runs = [merged]
        else:
            self._lines.sort()
            self._runs.append(_write_run(self._directory, self._lines))
        self._lines = []
        self._room = self._run_bytes


def as_line(row: MemberRow, order: int) -> bytes:
    """A line that sorts by user, then by `order`."""
    return b"%b\t%012d\t%b\n" % (row.user, order, row.value)


def latest(lines: Iterable[bytes]) -> Iterator[MemberRow]:
    """Of each user the last line, of lines in order."""
    user = value = b""
    for line in lines:
        before, held = user, value
        user, _, value = line[:-1].split(b"\t")
        if before and before != user:
            yield MemberRow(before, held)
    if user:
        yield MemberRow(user, value)


def conflicts(lines: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """Where two lines of one user, of lines in order, have different values: the `order` of both."""
    before: list[bytes] = [b"", b"0", b""]
    for line in lines:
        user, order, value = line[:-1].split(b"\t")
        if before[0] == user and before[2] != value:
            yield int(before[1]), int(order)
        before = [user, order, value]


def _from_start(run: IO[bytes]) -> IO[bytes]:
    run.seek(0)
    return run


def _write_run(directory: Path, lines: Iterable[bytes]) -> IO[bytes]:
    try:
        run = tempfile.TemporaryFile(buffering=_BUFFER_BYTES, dir=directory)  # noqa: SIM115 - closed by its owner
        run.writelines(lines)
        run.flush()
    except OSError as error:
        text = f"Temporary files cannot be written to {directory} ({error.strerror}). Set TMPDIR to one with room."
        raise StreamError(text) from error
    return run

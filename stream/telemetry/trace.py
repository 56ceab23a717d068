"""Each step and attempt, for external checkers (JSON lines) and as log lines of the level debug."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import orjson

from stream.model.attempts import Answer
from stream.model.errors import config_error, system_text
from stream.model.ports import Clock, Logger
from stream.model.records import Record
from stream.rules.listener import DeliveryListener, TraceLines
from stream.telemetry.logs import LineLogger

BUFFER_BYTES = 64 * 1024


class TraceFile(TraceLines):
    """The trace of one consumer group, into a file; `for_group` gives another group's, into the same file.

    Each line has `t` (Unix seconds), `group`, `event` (the step) and the step's own fields. Lines are buffered until
    the buffer is full or `flush` is called. A file that exists is added to, never overwritten.
    Raises ConfigError when the file cannot be opened; later faults are reported to the log, once.
    """

    def __init__(self, path: str | Path, group: str, clock: Clock, logger: Logger) -> None:
        self._group = group
        self._clock = clock
        self._logger = logger
        self._lock = Lock()
        self._is_faulty = False
        self._file = _open(Path(path))

    def for_group(self, group: str) -> GroupTrace:
        """The trace of another group in the same file, which this one keeps owning."""
        return GroupTrace(self, group)

    def emit(self, event: str, /, **fields: object) -> None:
        """Record one step; never raises."""
        self.write(self._group, event, fields)

    def write(self, group: str, event: str, fields: dict[str, object]) -> None:
        """Record one step of `group`; never raises."""
        step = {**fields, "t": self._clock.wall(), "group": group, "event": event}
        with self._lock:
            try:
                self._file.write(orjson.dumps(step, default=_plain, option=orjson.OPT_APPEND_NEWLINE))
            except (OSError, ValueError, TypeError) as error:
                self._report(error)

    def flush(self) -> None:
        """Write what is buffered; never raises."""
        with self._lock:
            try:
                self._file.flush()
            except (OSError, ValueError) as error:
                self._report(error)

    def close(self) -> None:
        """Write what is buffered and close the file; never raises."""
        with self._lock:
            try:
                self._file.close()
            except OSError as error:
                self._report(error)

    def _report(self, error: Exception) -> None:
        if not self._is_faulty:
            self._is_faulty = True
            self._logger.error("The trace is incomplete.", error=system_text(error, "a line cannot be written as JSON"))


class GroupTrace(TraceLines):
    """The trace of one more consumer group in a file that a `TraceFile` owns."""

    def __init__(self, file: TraceFile, group: str) -> None:
        self._file = file
        self._group = group

    def flush(self) -> None:
        """Write what is buffered; never raises."""
        self._file.flush()

    def emit(self, event: str, /, **fields: object) -> None:
        """Record one step; never raises."""
        self._file.write(self._group, event, fields)


def _open(path: Path) -> BinaryIO:
    try:
        file = path.open("ab", buffering=BUFFER_BYTES)
        if _is_torn(path):
            file.write(b"\n")
        return file
    except OSError as error:
        what = f"cannot write to {path} ({system_text(error, 'no reason is known')})."
        raise config_error("--trace", what, "Name a file in a directory that can be written to.") from error


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end, as a process that was killed leaves it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as written:
        written.seek(-1, os.SEEK_END)
        return written.read() != b"\n"


def _plain(value: object) -> object:
    # A named tuple, such as a partition, is a list; anything else that JSON does not know is its text.
    return list(value) if isinstance(value, tuple) else str(value)


class AttemptLog(DeliveryListener):
    """One line for each attempt; nothing of the event but where it lies, nothing of an answer's body."""

    def __init__(self, logger: LineLogger) -> None:
        self._logger = logger

    def on_attempt(self, record: Record, workflow: str, number: int, answer: Answer, elapsed_s: float) -> None:
        self._logger.debug(
            "Attempt answered.",
            workflow=workflow,
            place=str(record.place),
            attempt=number,
            answer=answer.code,
            ms=round(elapsed_s * 1000, 1),
            **({"reason": answer.excerpt} if answer.failure else {}),
        )

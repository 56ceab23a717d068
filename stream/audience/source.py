"""Opens the file of members or values, or standard input."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import UnsupportedOperation
from typing import BinaryIO

from stream.audience.members import MAX_LINE_BYTES
from stream.audience.names import refusal

STANDARD_INPUT = "-"


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
    return refusal(option, f"{name or 'standard input'} cannot be read: {error.strerror}.")

"""Files that this process may not read, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def without_access(path: Path) -> Iterator[int]:
    """Nobody may read `path`, or enter it where it is a folder; gives the user of this process.

    Of root this thread alone loses its rights to files. Another user for the process would reach every thread by a
    signal, at which librdkafka's mock brokers end for good.
    """
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:
        _system().setfsuid(NOBODY)
    try:
        yield user
    finally:
        if user == 0:
            _system().setfsuid(user)
        path.chmod(mode)


def _system() -> ctypes.CDLL:
    return ctypes.CDLL(None)

"""Files that this process may not read, also where the tests run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def without_access(path: Path) -> Iterator[int]:
    """Nobody may read `path`, or enter it where it is a folder; gives the user as whom this process runs meanwhile."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(user)
        path.chmod(mode)

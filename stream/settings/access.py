"""Files that are there and may not be read: who has to be let in."""

from __future__ import annotations

import os


def access_fix(error: OSError, otherwise: str) -> str:
    """How to make a file readable: let this process in where it may not read, else `otherwise`."""
    if isinstance(error, PermissionError):
        return f"Let user {os.geteuid()}, as whom tray-stream runs here, read it and enter its folder."
    return otherwise

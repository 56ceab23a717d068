"""What the program uses of httpx: how it reads a URL, and which authorities it trusts.

httpx imports the libraries of its own command line (rich, Pygments, click) where they are installed: two thirds of the
time that its import takes, and a quarter of what a start of the program does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COMMAND_LINE = "httpx._main"


@contextmanager
def _without_command_line() -> Iterator[None]:
    """Let httpx find its command line not installed, which it allows for."""
    if "httpx" in sys.modules:
        yield
        return
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]  # None: it cannot be imported
    try:
        yield
    finally:
        del sys.modules[_COMMAND_LINE]


with _without_command_line():
    from httpx import URL, InvalidURL, create_ssl_context

__all__ = ["URL", "InvalidURL", "create_ssl_context"]

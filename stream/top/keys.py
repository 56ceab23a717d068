"""Keys of a terminal, one at a time, without Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESCAPE = "\x1b"


@contextmanager
def pressed_keys() -> Iterator[Callable[[float], str]]:
    """A function that waits at most so many seconds for a key; empty: none was pressed. Ctrl-C stays a signal."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int, seconds: float) -> str:
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    read = os.read(descriptor, 16)
    if not read:  # the terminal is gone: the next reads would return at once
        return _no_key(seconds)
    text = read.decode("utf-8", "replace")
    return text if text == ESCAPE else "" if text.startswith(ESCAPE) else text[0]


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""

"""Waiting for a condition, as most tests do that look at another process."""

from __future__ import annotations

import time
from collections.abc import Callable

from assertions import HANG_S

POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str | Callable[[], object], timeout: float = HANG_S) -> None:
    """Return as soon as `condition` holds; `what` is waited for, or says what is seen instead.

    Raises:
        AssertionError: it never did.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout:.0f} s: {what if isinstance(what, str) else what()}.")
        time.sleep(POLL_S)  # then the condition that is waited for is looked at again

"""Frees memory from time to time: Python's reference cycles, and the allocator's free memory.

What an event leaves behind is freed by its reference count; nothing on its path makes cycles. The collector, left to
itself, walks the thousands of events that are open again and again, which took a tenth of the process's time.

After a backlog glibc keeps what lay between objects that live long: an hour of faults left a fifth more than before.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

EVERY_S = 10.0
"""Failed connections leave a few cycles behind; this bounds what they hold."""


async def collect_now_and_then(every_s: float = EVERY_S) -> None:
    """Take the collector over until cancelled; what is alive by now is never scanned again."""
    trim = _trim_of_allocator()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        while True:
            await asyncio.sleep(every_s)
            gc.collect()
            trim(0)
    finally:
        gc.enable()
        gc.unfreeze()


def _trim_of_allocator() -> Callable[[int], object]:
    """glibc's `malloc_trim`, which gives free memory back to the system; elsewhere nothing."""
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda _keep: None)

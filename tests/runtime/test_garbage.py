"""What is not needed any more goes, while the collector itself is off."""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from stream.runtime.resources import collect_now_and_then

EVERY_S = 0.01
TURNS = 500
BLOCK = 2_000
BLOCKS = 40_000
KEPT = 50
"""One in so many stays, so that the free memory lies between what is not."""


class _Cycle:
    def __init__(self) -> None:
        self.me = self


def test_cycles_go_though_the_collector_is_off() -> None:
    """And it is on again once the task is over."""

    gone: list[weakref.ref[_Cycle]] = []

    def is_gone() -> bool:
        assert not gc.isenabled()
        if not gone:
            gone.append(weakref.ref(_Cycle()))
        return gone[0]() is None

    _run_until(is_gone)
    assert gc.isenabled()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_free_memory_between_what_stays_goes_back_to_the_system() -> None:
    """glibc alone gives back what lies at the end."""
    blocks = [bytes(BLOCK) for _ in range(BLOCKS)]
    kept = blocks[::KEPT]
    del blocks
    before = _resident_bytes()
    _run_until(lambda: _resident_bytes() < before - BLOCKS * BLOCK / 2)
    assert len(kept) == BLOCKS / KEPT


def _run_until(condition: Callable[[], bool]) -> None:
    """The task, until the condition holds at one of its turns; fails when it never does."""

    async def watched() -> None:
        task = asyncio.create_task(collect_now_and_then(EVERY_S))
        for _ in range(TURNS):
            await asyncio.sleep(EVERY_S)
            if condition():
                break
        else:
            pytest.fail("Nothing of it went.")
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(watched())


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")

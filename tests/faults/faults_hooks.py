"""Faults that only the inside can have: threads that stand still, a callback that raises, a clock that jumps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stream.kafka.rebalance import Rebalance
from stream.runtime.event_loop import LoopClock
from stream.runtime.processor import LOOP
from stream.telemetry.health import Health

BEGINS_S = 4.0
"""After the first beat, when the work is on."""
STANDS_STILL_S = 18.0
"""Longer than the shortest poll interval that there is."""
JUMP_S = 3600.0
IS_OVER = "planted: the standstill is over"


@contextmanager
def replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    """With this attribute replaced."""
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def loop_stands_still() -> Iterator[None]:
    """The event loop does nothing for a while, once."""
    with replaced(Health, "beat", _standing_still(lambda name: name == LOOP)):
        yield


@contextmanager
def consumer_stands_still() -> Iterator[None]:
    """The thread that owns the Kafka consumer does not poll for a while, once."""
    with replaced(Health, "beat", _standing_still(lambda name: name != LOOP)):
        yield


@contextmanager
def revoke_raises() -> Iterator[None]:
    """The callback of a rebalance raises."""

    def on_revoke(_self: Rebalance, *_: object) -> None:
        raise RuntimeError("planted")

    with replaced(Rebalance, "on_revoke", on_revoke):
        yield


@contextmanager
def wall_clock_jumps() -> Iterator[None]:
    """The time of day is an hour late, then an hour early, changing every second."""
    with replaced(LoopClock, "wall", lambda _self: time.time() + (JUMP_S if int(time.monotonic()) % 2 else -JUMP_S)):
        yield


HOOKS = (loop_stands_still, consumer_stands_still, revoke_raises, wall_clock_jumps)


def _standing_still(is_meant: Callable[[str], bool]) -> Callable[[Health, str], None]:
    original, began, done = Health.beat, time.monotonic(), False

    def beat(self: Health, name: str) -> None:
        nonlocal done
        original(self, name)
        if is_meant(name) and not done and time.monotonic() - began > BEGINS_S:
            done = True
            time.sleep(STANDS_STILL_S)  # this is the fault
            print(IS_OVER, file=sys.stderr, flush=True)

    return beat

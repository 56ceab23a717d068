"""Runs a program on a core of its own and measures it from outside: rate, CPU, memory.

The endpoint counts; the program has nothing to do for it. Rate and CPU an event are those between the first and the
last tenth of the requests, so that neither its start nor its end counts. As peers/measure.py does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from bench_cores import programs_core
from bench_usage import Usage, is_known, usage_of

from stream.demo.child import Child

STOP_WITHIN_S = 20.0
FEW = 20_000
"""With fewer requests the counter is looked at more often."""


class Counting(Protocol):
    """Something that counts the requests it gets."""

    def requests(self) -> int:
        """How many it has got."""


@dataclass(frozen=True)
class Program:
    """A command line that posts events."""

    name: str
    command: Sequence[str]
    directory: Path
    has_all_cores: bool = False
    """Rather than the program's own."""


class Measured(NamedTuple):
    """What was seen of a program."""

    requests: int
    rate: float
    """Requests a second; 0: it did not do its work."""
    cpu_us: float
    """CPU microseconds a request; 0 where the system does not tell."""
    peak_mib: float
    exit_code: int | None


class Sample(NamedTuple):
    """One look at a running program."""

    at: float
    seen: int
    used: Usage


@contextmanager
def running(program: Program) -> Iterator[Child]:
    """The program on its core; its output goes to a file beside its settings. Stopped in order at the end."""
    with programs_core(has_all=program.has_all_cores):
        child = Child(program.command, program.directory / "output.log", program.directory)
    with child:
        yield child
        child.stop(STOP_WITHIN_S)


def measure(program: Program, endpoint: Counting, expect: int, timeout_s: float) -> Measured:
    """Run it until `expect` requests were seen, it ended, or the time is over."""
    before = endpoint.requests()
    pause_s = 0.002 if expect < FEW else 0.05
    samples: list[Sample] = []
    with running(program) as child:
        give_up_at = time.monotonic() + timeout_s
        while time.monotonic() < give_up_at:
            time.sleep(pause_s)
            has_ended = not child.is_running
            samples.append(Sample(time.monotonic(), endpoint.requests() - before, usage_of(child.pid)))
            if has_ended or samples[-1].seen >= expect:
                break
        return judged(samples, expect, child.exit_code)


def judged(samples: list[Sample], expect: int, exit_code: int | None) -> Measured:
    """What the looks at a program come to, of which `expect` requests were wanted."""
    seen = samples[-1].seen if samples else 0
    peak_mib = max((sample.used.peak_kib for sample in samples), default=0) / 1024
    inside = [sample for sample in samples if 0.1 * expect <= sample.seen <= 0.9 * expect]
    if seen < 0.95 * expect or len(inside) < 2:
        return Measured(seen, 0.0, 0.0, peak_mib, exit_code)
    first, last = inside[0], inside[-1]
    done = last.seen - first.seen
    cpu_us = (last.used.cpu_s - first.used.cpu_s) / done * 1e6 if is_known() else 0.0
    return Measured(seen, done / (last.at - first.at), cpu_us, peak_mib, exit_code)

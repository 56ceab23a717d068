"""A measured row, the table of all of them, and what they say of the aims."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench_programs import AIOHTTP, PLAIN_LOOP, PRODUCT, SENDER_ALONE
from bench_variants import DEFAULTS, FILTERED, MAIN, TEN, UNORDERED

HEAD = ("variant", "program", "events/s", "CPU µs", "of a core", "peak MiB", "ratio")


@dataclass(frozen=True)
class Row:
    """What one program did in one variant. Zeros: not measured, or not there."""

    variant: str
    what: str
    program: str
    rate: float = 0.0
    cpu_us: float = 0.0
    peak_mib: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    note: str = ""
    """What went wrong, or has to be known."""

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return asdict(self)


def median_of(rows: Sequence[Row]) -> Row:
    """The row in the middle by rate, of several rounds of the same."""
    return sorted(rows, key=lambda row: row.rate)[len(rows) // 2]


def cells(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    """The row as the table shows it; the ratio is to the product's first row."""
    first = _rate(rows, MAIN, PRODUCT)
    if row.p50_ms:
        speed = f"p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"
    else:
        speed = f"{row.rate:,.0f}" if row.rate else row.note or "-"
    ratio = f"{row.rate / first:.2f}" if first and row.rate else ""
    cpu = f"{row.cpu_us:.1f}" if row.cpu_us else ""
    share = f"{row.rate * row.cpu_us / 1e6:.0%}" if row.cpu_us else ""
    peak = f"{row.peak_mib:.0f}" if row.peak_mib else ""
    return row.what, row.program, speed, cpu, share, peak, ratio


def verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """What the rows say of each aim, as far as they say something of it."""
    main = _rate(rows, MAIN, PRODUCT)
    if main and (alone := _rate(rows, MAIN, SENDER_ALONE)):
        yield f"{PRODUCT} / {SENDER_ALONE}: {main / alone:.2f} (aim: at least 0.65)"
    if main and (plain := _rate(rows, MAIN, PLAIN_LOOP)):
        yield f"{PRODUCT} / {PLAIN_LOOP}: {main / plain:.1f}"
    if (one := _rate(rows, DEFAULTS, PRODUCT)) and (ten := _rate(rows, TEN, PRODUCT)):
        yield f"10 workflows / 1, deliveries with the default limits: {ten / one:.2f} (aim: at least 1.4)"
    if (plain := _cost(rows, UNORDERED)) and (filtered := _cost(rows, FILTERED)):
        yield f"where and two filters / none, CPU an event: {filtered / plain:.2f} (aim: at most 1.10)"
    yield from _flatness(rows)
    if (ours := _rate(rows, "tls", SENDER_ALONE)) and (theirs := _rate(rows, "tls", AIOHTTP)):
        yield f"TLS, 64 connections: {ours / theirs:.2f} times aiohttp (aim: at least 2.5)"
    for row in rows:
        if row.p50_ms:
            yield f"produced → request arrives: p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms (aim: 5 and 25)"
        if row.variant.startswith("memory") and row.peak_mib:
            yield f"{row.what}: {row.peak_mib:.0f} MiB (aim: at most 200)"


FLAT = {
    "backlog": ("backlog-10000", "backlog-100000", "backlog-1000000"),
    "partitions": ("1-partition", MAIN, "64-partitions", "400-partitions"),
    "partitions, no order": (UNORDERED, "none-400-partitions"),
    "users, 10 in flight": ("10-users", "20000-users", "100000-users"),
    "users": (MAIN, "1000000-users"),
}
"""Variants whose cost an event should be the same. A thousand events are all taken before a tenth of them is sent, so
their row shows a part of the cost only."""


def _flatness(rows: Sequence[Row]) -> Iterator[str]:
    for of_what, names in FLAT.items():
        costs = [row.cpu_us for row in rows if row.variant in names and row.program == PRODUCT and row.cpu_us]
        if len(costs) > 1 and len(costs) == len(names):
            apart = (max(costs) - min(costs)) / statistics.median(costs)
            told = ", ".join(f"{cost:.1f}" for cost in costs)
            yield f"CPU µs an event by {of_what}: {told}; {apart:.0%} apart (aim: at most 20 %)"


def _cost(rows: Sequence[Row], variant: str) -> float:
    return next((row.cpu_us for row in rows if (row.variant, row.program) == (variant, PRODUCT)), 0.0)


def _rate(rows: Sequence[Row], variant: str, program: str) -> float:
    return next((row.rate for row in rows if (row.variant, row.program) == (variant, program)), 0.0)

"""Numbers in few characters: counts, rates, lengths of time, sizes; and lists of which only the first are named."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

NONE = "-"
"""Where there is nothing to show."""

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def short(number: float) -> str:
    """`7`, `812`, `9999`, `12.3k`, `4.5M`."""
    if number < 10_000:
        return f"{number:.0f}"
    size, unit = next(step for step in _STEPS if number >= step[0])
    return f"{number / size:.1f}{unit}"


def counted(count: int, noun: str) -> str:
    """`1 partition`, `7 partitions`: of what is counted, in full."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(texts: Sequence[str], most: int) -> str:
    """`a b c`, or `a b and 7 more` where there are more than `most`."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return " ".join(texts[:most]) + more


def rate(per_s: float | None) -> str:
    """A rate in a second; below ten with a digit behind the point."""
    if per_s is None:
        return NONE
    return f"{per_s:.1f}" if 0 < per_s < 9.95 else short(per_s)


def latency(seconds: float | None) -> str:
    """`4.2ms`, `250ms`, `3.2s`, `45s`."""
    if seconds is None:
        return NONE
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f}ms" if seconds < 0.00995 else f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < 9.95 else f"{seconds:.0f}s"


def span(seconds: float) -> str:
    """`12s`, `3m04s`, `2h05m`, `3d4h`: the two largest units."""
    left = max(0, round(seconds))
    for (size, unit), (smaller, smaller_unit) in pairwise(_UNITS):
        if left >= size:
            rest = left % size // smaller
            digits = 1 if unit == "d" else 2
            return f"{left // size}{unit}{rest:0{digits}d}{smaller_unit}"
    return f"{left}s"


def size(count: float) -> str:
    """Bytes: `812 B`, `12 KiB`, `3.4 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"

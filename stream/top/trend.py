"""The last minutes as a line of small bars."""

from __future__ import annotations

from collections.abc import Iterable

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = ".:-=+*#@"
"""For terminals that cannot show the others."""


def sparkline(values: Iterable[float], width: int, bars: str = BARS) -> str:
    """The last `width` values, the largest of them as the highest bar; nothing at all is a blank."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    return "".join(_bar(value, top, bars) for value in shown).rjust(width)


def _bar(value: float, top: float, bars: str) -> str:
    if value <= 0 or top <= 0:
        return " "
    return bars[min(len(bars) - 1, int(value / top * len(bars)))]

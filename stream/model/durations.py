"""Durations as people write them: numbers with units, or ISO 8601."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

FORMS = "5m, 1h30m, 500ms, PT5M, P1DT12H, P2W"
"""Examples of what is accepted, for messages."""

_AMOUNT = r"[0-9]{1,30}(?:[.][0-9]+)?"
_ISO_AMOUNT = r"[0-9]{1,30}(?:[.,][0-9]+)?"
_UNITS = rf"(?=[0-9])(?:({_AMOUNT})d)?(?:({_AMOUNT})h)?(?:({_AMOUNT})m(?!s))?(?:({_AMOUNT})s)?(?:({_AMOUNT})ms)?"
_ISO = (
    rf"[Pp](?=[0-9Tt])(?:({_ISO_AMOUNT})[Ww]|(?:({_ISO_AMOUNT})[Dd])?"
    rf"(?:[Tt](?=[0-9])(?:({_ISO_AMOUNT})[Hh])?(?:({_ISO_AMOUNT})[Mm])?(?:({_ISO_AMOUNT})[Ss])?)?)"
)
PATTERN = f"(?:{_UNITS}|{_ISO})"
"""Regular expression of every accepted text; JSON Schema's dialect reads it as well."""

_DURATION = re.compile(PATTERN)
CALENDAR = re.compile(r"P[0-9]+[YM]", re.IGNORECASE)
"""The beginning of an ISO 8601 duration in years or months, whose lengths differ."""
_DAY, _HOUR, _MINUTE, _SECOND, _MS = map(Decimal, ("86400", "3600", "60", "1", "0.001"))
_SECONDS = (_DAY, _HOUR, _MINUTE, _SECOND, _MS, 7 * _DAY, _DAY, _HOUR, _MINUTE, _SECOND)
"""Of one unit of each group of the pattern."""


def parse_duration(text: str) -> float:
    """Seconds of `5m`, `1h30m`, `PT5M` and the like.

    Raises:
        ValueError: the text is not a duration, or counts in months or years, whose lengths differ.
    """
    return float(_seconds(text))


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration, rounded up. Raises ValueError as `parse_duration` does."""
    return int((_seconds(text) * 1000).to_integral_value(ROUND_CEILING))


def _seconds(text: str) -> Decimal:
    matched = _DURATION.fullmatch(text)
    if matched is not None:
        amounts = (Decimal((amount or "0").replace(",", ".")) for amount in matched.groups())
        return sum((amount * unit for amount, unit in zip(amounts, _SECONDS, strict=True)), Decimal(0))
    if CALENDAR.match(text):
        raise ValueError(f"{text!r} counts in years or months, which differ in length. Write days or weeks: P30D.")
    raise ValueError(f"{text!r} is not a duration. Accepted are: {FORMS}.")

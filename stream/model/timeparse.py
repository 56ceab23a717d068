"""Times and durations as people write them: RFC 3339, numbers with units, ISO 8601."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_CEILING, Decimal

DURATION_FORMS = "5m, 1h30m, 500ms, PT5M, P1DT12H, P2W"
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
_DAY, _HOUR, _MINUTE, _SECOND, _MILLISECOND = map(Decimal, ("86400", "3600", "60", "1", "0.001"))
_SECONDS = (_DAY, _HOUR, _MINUTE, _SECOND, _MILLISECOND, 7 * _DAY, _DAY, _HOUR, _MINUTE, _SECOND)
"""Of one unit of each group of the pattern."""

TIME_FORMS = "2026-11-24T10:00:00Z, 2026-11-24T10:00:00.000+01:00, 2026-11-24T10:00 (UTC where no zone is named)"
"""Examples of what `parse_time` takes, for messages."""
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_CYCLE_MS = 146_097 * 86_400_000
"""The calendar repeats after 400 years."""
_FIRST_MS = -62_135_596_800_000
LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last moment that RFC 3339 and `datetime` can express."""


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
    raise ValueError(f"{text!r} is not a duration. Accepted are: {DURATION_FORMS}.")


def parse_time(text: str) -> int:
    """Milliseconds of an RFC 3339 time, rounded up; in UTC where it names no zone, as kafka-consumer-groups reads it.

    The seconds, and the whole time of the day, may be left out. A time before 1970 is 0: Kafka takes negative ones
    for keywords.

    Raises:
        ValueError: it is not a time; the text says what is accepted.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a time. Accepted are: {TIME_FORMS}.")
    year, month, day, hour, minute, second = (int(found[part] or 0) for part in range(1, 7))
    leap = second == 60  # RFC 3339 knows leap seconds, Unix time does not
    try:
        whole = datetime(year, month, day, hour, minute, second - leap, tzinfo=_zone(found[8]))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}. Accepted are: {TIME_FORMS}.") from error
    return max(0, (whole - _EPOCH) // _MS + leap * 1000 + _fraction_ms(found[7]))


def parse_moment(text: str, now_ms: int) -> int:
    """Milliseconds of a time, or of the moment that lies a duration before `now_ms`; never before 1970.

    Raises:
        ValueError: it is neither; the text says what is accepted.
    """
    try:
        return max(0, now_ms - parse_duration_ms(text.strip()))
    except ValueError as not_a_duration:
        if text.strip()[:1] in ("P", "p"):
            raise
        try:
            return parse_time(text)
        except ValueError as error:
            raise ValueError(f"{error} Or a duration back from now: {DURATION_FORMS}.") from not_a_duration


def format_time(ms: int) -> str:
    """The RFC 3339 time of a moment, in UTC; milliseconds only where there are any. Never raises.

    A year that RFC 3339 cannot express has a sign, as ISO 8601 writes it: `+12026-01-01T00:00:00Z`.
    """
    return _iso(ms, "milliseconds" if ms % 1000 else "seconds")


def format_time_ms(ms: int) -> str:
    """Like `format_time`, always with milliseconds, as Segment's events have them."""
    return _iso(ms, "milliseconds")


def format_wall(seconds: float) -> str:
    """The time of a finite Unix time in seconds, always with milliseconds. Never raises."""
    whole = math.floor(seconds)
    return format_time_ms(whole * 1000 + round((seconds - whole) * 1_000_000) // 1000)


def is_rfc3339(ms: int) -> bool:
    """Whether RFC 3339 can express the moment."""
    return _FIRST_MS <= ms <= LAST_MS


def _iso(ms: int, timespec: str) -> str:
    cycles = 0 if is_rfc3339(ms) else (ms - _FIRST_MS) // _CYCLE_MS
    text = (_EPOCH + timedelta(milliseconds=ms - cycles * _CYCLE_MS)).isoformat(timespec=timespec)
    year, rest = int(text[:4]) + 400 * cycles, text[4:].replace("+00:00", "Z")
    return f"{year:04}{rest}" if not cycles else f"{year:+05}{rest}"


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59:
        raise ValueError("the zone has more than 59 minutes")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-away if text[0] == "-" else away)


def _fraction_ms(digits: str | None) -> int:
    """Milliseconds of the digits after the decimal point, rounded up."""
    return -(-int((digits or "0").ljust(9, "0")) // 10**6)

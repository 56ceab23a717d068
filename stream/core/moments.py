"""Moments as people write them, in milliseconds of Unix time: RFC 3339 times, and ISO 8601 durations back from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

TIME_FORMS = "2026-11-24T10:00:00Z, 2026-11-24T10:00:00.000+01:00, 2026-11-24T10:00 (UTC where no zone is named)"
"""Examples of what `parse_time` takes, for messages."""
DURATION_FORMS = "PT2H30M, P1D, P1DT12H, P2W"
"""Examples of what `parse_duration` takes, for messages."""

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W|(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:[.,](?P<fraction>\d{1,9}))?S)?)?)",
    re.IGNORECASE | re.ASCII,
)
_CALENDAR = re.compile(r"P\d+[YM]", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_MOST_DAYS = 3_000_000
"""More than the calendar has; keeps the arithmetic within its types."""


def parse_time(text: str) -> int:
    """Milliseconds of an RFC 3339 time, rounded up; in UTC where it names no zone, as kafka-consumer-groups reads it.

    The seconds, and the whole time of the day, may be left out. A time before 1970 is 0: Kafka takes negative ones
    for words.

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


def parse_duration(text: str) -> int:
    """Milliseconds of an ISO 8601 duration of weeks, or of days, hours, minutes and seconds; rounded up.

    Raises:
        ValueError: it is not one, or counts in months or years, whose length depends on where they begin.
    """
    found = _DURATION.fullmatch(text.strip())
    if _CALENDAR.match(text.strip()):
        raise ValueError(f"{text!r} counts in years or months, which differ in length. Write days or weeks: P30D.")
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a duration. Accepted are: {DURATION_FORMS}.")
    parts = {name: min(int(found[name] or 0), _MOST_DAYS * 86_400) for name in ("hours", "minutes", "seconds")}
    days = min(int(found["days"] or 0) + 7 * int(found["weeks"] or 0), _MOST_DAYS)
    seconds = days * 86_400 + parts["hours"] * 3_600 + parts["minutes"] * 60 + parts["seconds"]
    return seconds * 1000 + _fraction_ms(found["fraction"])


def parse_moment(text: str, now_ms: int) -> int:
    """Milliseconds of a time, or of the moment that lies a duration back from `now_ms`; never before 1970.

    Raises:
        ValueError: it is neither; the text says what is accepted.
    """
    if text.strip()[:1] in ("P", "p"):
        return max(0, now_ms - parse_duration(text))
    return parse_time(text)


def format_time(ms: int) -> str:
    """The RFC 3339 time of a moment, in UTC; milliseconds only where there are any."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    timespec = "milliseconds" if ms % 1000 else "seconds"
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


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

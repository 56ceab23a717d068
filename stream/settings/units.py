"""Durations and sizes: written as text with a unit, kept as seconds and bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from stream.model.timeparse import CALENDAR, parse_duration
from stream.model.timeparse import PATTERN as DURATION_PATTERN
from stream.settings.references import REFERENCE_PATTERN
from stream.settings.section import Fault, refusal

_SECONDS_BY_UNIT = {
    "d": Decimal(86_400),
    "h": Decimal(3_600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_BYTES_BY_UNIT = {
    "B": 1,
    "kB": 10**3,
    "KiB": 2**10,
    "MB": 10**6,
    "MiB": 2**20,
    "GB": 10**9,
    "GiB": 2**30,
}
_RATE_DIGITS = 6
_AMOUNT = r"[0-9]+(\.[0-9]+)?"
_SIZE_PATTERN = f"[0-9]+({'|'.join(_BYTES_BY_UNIT)})?"
_RATE_PATTERN = f"{_AMOUNT}/(s|m|h)"
_RATE = re.compile(f"({_AMOUNT})/(s|m|h)")
_BARE_NUMBER = re.compile(_AMOUNT)
_SIZE = re.compile(f"([0-9]+)({'|'.join(_BYTES_BY_UNIT)})?")


def format_duration(seconds: float) -> str:
    """The text in the largest unit that needs no fraction: `parse_duration` gives `seconds` back."""
    amount = Decimal(str(seconds))
    if not amount:
        return "0s"
    for unit, size in _SECONDS_BY_UNIT.items():
        if amount % size == 0:
            return f"{amount // size:f}{unit}"
    return f"{amount / _SECONDS_BY_UNIT['ms']:f}ms"


def parse_size(text: str) -> int:
    """Bytes of a text such as `64MiB` or `67108864`. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("not a size")
    return int(found[1]) * _BYTES_BY_UNIT[found[2] or "B"]


def parse_rate(text: str) -> float:
    """Requests a second of a text such as `100/s`, `6000/m` or `10/h`. Raises ValueError."""
    found = _RATE.fullmatch(text)
    if found is None or not Decimal(found[1]):
        raise ValueError("not a rate")
    return float(Decimal(found[1]) / _SECONDS_BY_UNIT[found[3]])


@dataclass(frozen=True, slots=True)
class DurationRange:
    """Annotation of a float setting that is a duration: text with a unit, both bounds included."""

    least: str
    most: str

    def read(self, value: object) -> float:
        """Seconds of a setting. Raises the model's refusal."""
        try:
            seconds = parse_duration(value if isinstance(value, str) else "")
        except ValueError:
            raise refusal(_duration_fault(value)) from None
        if not parse_duration(self.least) <= seconds <= parse_duration(self.most):
            raise refusal(Fault("is out of range.", f"Write a duration from {self.least} to {self.most}."))
        return seconds

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pattern = f"^({DURATION_PATTERN}|{REFERENCE_PATTERN})$"
        return {"type": "string", "pattern": pattern, "x-minimum": self.least, "x-maximum": self.most}


@dataclass(frozen=True, slots=True)
class ByteSize:
    """Annotation of an int setting that is a size: bytes, or text with a unit; both bounds included."""

    least: str
    most: str

    def read(self, value: object) -> int:
        """Bytes of a setting. Raises the model's refusal."""
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        try:
            size = parse_size(text)
        except ValueError:
            raise refusal(Fault("is not a size.", 'Write bytes, or a unit: "64MiB".')) from None
        if not parse_size(self.least) <= size <= parse_size(self.most):
            raise refusal(Fault("is out of range.", f"Write a size from {self.least} to {self.most}."))
        return size

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        text = {"type": "string", "pattern": f"^({_SIZE_PATTERN}|{REFERENCE_PATTERN})$"}
        whole = {"type": "integer", "minimum": parse_size(self.least), "maximum": parse_size(self.most)}
        return {"anyOf": [whole, text]}


@dataclass(frozen=True, slots=True)
class Rate:
    """Annotation of a float setting that is a rate: requests a second, written `100/s` (also /m, /h)."""

    def read(self, value: object) -> float:
        """Requests a second. Raises the model's refusal."""
        try:
            return parse_rate(value if isinstance(value, str) else "")
        except ValueError:
            raise refusal(Fault("is not a rate.", 'Write a number and a unit (/s, /m or /h): "100/s".')) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^({_RATE_PATTERN}|{REFERENCE_PATTERN})$"}


def format_rate(per_s: float) -> str:
    """The text of a rate: `parse_rate` gives `per_s` back."""
    for unit in ("s", "m", "h"):
        amount = round(Decimal(str(per_s)) * _SECONDS_BY_UNIT[unit], _RATE_DIGITS).normalize()
        if amount >= 1 and parse_rate(text := f"{amount:f}/{unit}") == per_s:
            return text
    return f"{Decimal(repr(per_s)):f}/s"


def format_size(size: int) -> str:
    """The text in the largest unit that needs no fraction: `parse_size` gives `size` back."""
    unit = next(unit for unit, length in reversed(_BYTES_BY_UNIT.items()) if size % length == 0)
    return f"{size // _BYTES_BY_UNIT[unit]}{unit}"


def _duration_fault(value: object) -> Fault:
    text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    if _BARE_NUMBER.fullmatch(text):
        return Fault("has no unit.", f'Write "{text}s" for seconds; units are ms, s, m, h and d.')
    if CALENDAR.match(text):
        return Fault("counts in years or months, which differ in length.", 'Write days: "30d".')
    return Fault("is not a duration.", 'Write a number and a unit (ms, s, m, h or d): "10s", "1h30m" or "PT10S".')

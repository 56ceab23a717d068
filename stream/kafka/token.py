"""A token to log in to Kafka with, and how the JSON of a token command is read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stream.model.timeparse import parse_duration

MAX_LIFETIME_S = 365 * 86_400.0
_MILLISECONDS = 100_000_000_000
"""A larger point in time counts milliseconds: as seconds it would be in the year 5138."""
_TOKEN = re.compile(r"[\x21-\x7e]+")
_EXTENSION_NAME = re.compile(r"(?!auth\Z)[A-Za-z]+")
_EXTENSION_VALUE = re.compile(r"[\x20-\x7e]*")
_TOKEN_KEYS = ("token", "access_token")
_LIFETIME_KEYS = ("lifetime", "lifetime_s", "lifetime_seconds", "expires_in")
_LIFETIME_MS_KEYS = ("lifetime_ms",)
_EXPIRY_KEYS = ("expires_at", "expiration", "expiry")


class TokenError(Exception):
    """There is no token this time; the text says why and never holds what the provider printed.

    `is_final`: trying again does not help.
    """

    def __init__(self, why: str, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


@dataclass(frozen=True)
class BearerToken:
    """A token with the Unix time in seconds at which it runs out."""

    value: str = field(repr=False)
    expires_at: float
    principal: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.value):
            raise TokenError("the token is empty, or holds a space or a character that no token has")
        if not math.isfinite(self.expires_at):
            raise TokenError("the token's lifetime is not a number")


FetchToken = Callable[[], BearerToken]
"""Blocking. Raises TokenError."""


def read_token(printed: bytes, now: float) -> BearerToken:
    """The token that a command printed: an object with a token and its lifetime. `now`: Unix time in seconds.

    Raises:
        TokenError: it is something else, or the token has run out.
    """
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError) as error:
        raise TokenError("what it printed is not JSON") from error
    if not isinstance(found, dict):
        raise TokenError("what it printed is not a JSON object")
    value = _first(found, _TOKEN_KEYS)
    if not isinstance(value, str):
        raise TokenError('its JSON has no text "token"')
    expires_at = min(_expiry(found, now), now + MAX_LIFETIME_S)
    if expires_at <= now:
        raise TokenError("the token that it printed has run out already")
    return BearerToken(value, expires_at, _principal(found), _extensions(found))


def _first(found: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((found[key] for key in keys if found.get(key) is not None), None)


def _expiry(found: Mapping[str, Any], now: float) -> float:
    if (lifetime := _first(found, _LIFETIME_KEYS)) is not None:
        return now + _seconds(lifetime)
    if (lifetime_ms := _first(found, _LIFETIME_MS_KEYS)) is not None:
        return now + _seconds(lifetime_ms) / 1000
    if (moment := _first(found, _EXPIRY_KEYS)) is not None:
        return _moment(moment)
    raise TokenError('its JSON has no "lifetime" (seconds, or "15m")')


def _seconds(lifetime: object) -> float:
    try:
        if isinstance(lifetime, str):
            return _number(lifetime) if _is_number(lifetime) else parse_duration(lifetime)
        return _number(lifetime)
    except ValueError as error:
        raise TokenError("the lifetime in its JSON is neither a number of seconds nor a duration") from error


def _moment(moment: object) -> float:
    try:
        if isinstance(moment, str) and not _is_number(moment):
            at = datetime.fromisoformat(moment)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        at_s = _number(moment)
    except (ValueError, OverflowError) as error:
        raise TokenError("the end of the lifetime in its JSON is neither Unix time nor RFC 3339") from error
    return at_s / 1000 if at_s >= _MILLISECONDS else at_s


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text) is not None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError  # noqa: TRY004 - of JSON: what is wrong is the value
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError from error
    if not math.isfinite(number):
        raise ValueError
    return number


def _principal(found: Mapping[str, Any]) -> str:
    principal = found.get("principal") or ""
    if not isinstance(principal, str) or not _EXTENSION_VALUE.fullmatch(principal):
        raise TokenError('"principal" in its JSON is not plain text')
    return principal


def _extensions(found: Mapping[str, Any]) -> dict[str, str]:
    extensions = found.get("extensions") or {}
    if not isinstance(extensions, dict) or not all(map(_is_extension, extensions, extensions.values())):
        raise TokenError('"extensions" in its JSON is not an object of names of letters and plain texts')
    return extensions


def _is_extension(name: str, value: object) -> bool:
    is_named = _EXTENSION_NAME.fullmatch(name) is not None
    return is_named and isinstance(value, str) and _EXTENSION_VALUE.fullmatch(value) is not None

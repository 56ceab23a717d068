"""Takes out of an answer's excerpt what it quotes of the request.

Receivers like to say what they did not like: `"ann@example.com" is not an address`. The excerpt ends in a dead letter's
header, where no value of an event, no secret and no header's value may be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import orjson

MASK = "***"
LEAST_CHARS = 4
"""Shorter values are words and small numbers that tell nothing."""
MAX_VALUES = 10_000


def without_quotes(excerpt: str, body: bytes, secrets: Iterable[str] = ()) -> str:
    """`excerpt` without the values of the JSON in `body` and without `secrets`, however they are escaped in it.

    Names of fields and the event's type stay. Empty when the body cannot be read.
    """
    if not excerpt:
        return ""
    try:
        values = {*_values(_parsed(body)), *(secret for secret in secrets if len(secret) >= LEAST_CHARS)}
    except (ValueError, RecursionError):
        return ""
    spellings = {
        spelling for value in values for spelling in (value, json.dumps(value)[1:-1], quote(value, errors="replace"))
    }
    if not spellings:
        return excerpt
    longest_first = sorted(spellings, key=len, reverse=True)
    found = re.sub("|".join(map(re.escape, longest_first)), MASK, excerpt, flags=re.IGNORECASE)
    return _without_beginning(found, longest_first)


def _without_beginning(excerpt: str, spellings: list[str]) -> str:
    """The excerpt may have been cut amid a value."""
    for spelling in spellings:
        for length in range(min(len(spelling) - 1, len(excerpt)), LEAST_CHARS - 1, -1):
            if excerpt.endswith(spelling[:length]):
                return excerpt[:-length] + MASK
    return excerpt


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def _values(payload: Any) -> Iterator[str]:
    left, count = [payload], 0
    if isinstance(payload, dict):
        left = [value for name, value in payload.items() if name != "type"]
    while left and count < MAX_VALUES:
        value = left.pop()
        count += 1
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif value is not None and not isinstance(value, bool) and len(str(value)) >= LEAST_CHARS:
            yield str(value)

"""Reads JSON as its grammar allows it, which is more than orjson takes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import orjson

_LONGEST_INTEGER = 4_000
"""Digits that the standard library turns into an integer; its own limit is 4,300."""
_DEEPEST = 1_024
"""Levels of nesting that orjson reads."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A text without an end is one text as well, so that garbage costs linear time."""
_OTHER_BYTES = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = [1 if byte in b"[{" else -1 for byte in range(256)]
"""What a bracket adds to the depth."""


def parse_json(body: bytes) -> Any:
    """Parse JSON without framing, and what its grammar allows and orjson refuses: lone surrogates, huge numbers.

    Raises: ValueError, with what orjson says, when it is not JSON; RecursionError when it is nested too deeply.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return _parse_leniently(body)
        except ValueError:
            raise error from None


def _parse_leniently(body: bytes) -> Any:
    _require_shallow(body)
    with room_to_nest():
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_int=_integer)


def _require_shallow(body: bytes) -> None:
    """Raise RecursionError for what is nested deeper than orjson reads; Python versions differ in what they bear."""
    brackets = _TEXT.sub(b"", body).translate(None, _OTHER_BYTES)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > _DEEPEST:
        raise RecursionError("nested too deeply")


@contextmanager
def room_to_nest() -> Iterator[None]:
    """Python 3.11 counts each level of JSON as a frame of the caller's stack."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * _DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)

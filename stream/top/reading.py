"""One look at a running processor: its /status.json, checked and read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from stream.model.timeparse import parse_time
from stream.telemetry.status.report import ProcessStatus, is_time
from stream.top.fetch import NoAnswerError, fetch

if TYPE_CHECKING:
    from pydantic import TypeAdapter

STATUS_PATH = "/status.json"
MOST = 10**20
"""More than any count, size or time."""


def look(url: str) -> ProcessStatus:
    """The status as it is now. Blocking, for a few seconds at most.

    Raises:
        NoAnswerError: there is no answer, or it is not a status of this program.
    """
    return read_status(fetch(url))


def read_status(text: str) -> ProcessStatus:
    """What an answer says. Keys that are not known are passed over.

    Raises:
        NoAnswerError: it is not a status of this program.
    """
    try:
        tree = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_number)
        return _adapter().validate_python(_with_moments(tree))
    except (ValueError, RecursionError) as error:  # pydantic's errors are ValueErrors
        raise NoAnswerError("its answer is not a status of tray-stream") from error


@cache
def _adapter() -> TypeAdapter[ProcessStatus]:
    from pydantic import TypeAdapter  # it takes long to load

    return TypeAdapter(ProcessStatus)


def _number(text: str) -> int | float:
    number = float(text)
    if not abs(number) < MOST:  # NaN and infinities included
        raise ValueError(text)
    return int(text) if text.lstrip("-").isdecimal() else number


def _with_moments(tree: object, key: str = "") -> object:
    """RFC 3339 times as Unix seconds."""
    if isinstance(tree, Mapping):
        return {name: _with_moments(value, name) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_with_moments(one) for one in tree]
    return parse_time(tree) / 1000 if isinstance(tree, str) and is_time(key) else tree

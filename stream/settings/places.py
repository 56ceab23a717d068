"""Records named by where they lie: `topic:partition:offset`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from stream.model.records import RecordId
from stream.settings.section import Fault, refusal

_PLACE = re.compile(r"([A-Za-z0-9._-]{1,249}):([0-9]{1,9}):([0-9]{1,18})")


def parse_place(text: str) -> RecordId:
    """The record. Raises ValueError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError("not a place")
    return RecordId(found[1], int(found[2]), int(found[3]))


def _places_are_legal(places: tuple[str, ...]) -> tuple[str, ...]:
    if faults := list(_faults(places)):
        raise refusal(*faults)
    return places


def _faults(places: tuple[str, ...]) -> Iterator[Fault]:
    for index, place in enumerate(places):
        if not _PLACE.fullmatch(place):
            yield Fault(
                "does not name a record.", 'Write "topic:partition:offset", as the log line of a hold does.', index
            )


Places = Annotated[tuple[str, ...], Field(), AfterValidator(_places_are_legal)]
"""A list of records."""

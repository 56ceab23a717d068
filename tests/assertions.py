"""What assertions of all tests have in common."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import TypeVar

T = TypeVar("T")

HANG_S = 120.0
"""A wait of a test ends after so long at the latest: it ends a hang, and judges nobody's speed."""


def every(facts: Iterable[object]) -> bool:
    """`all` for assertions: refuses to say anything of nothing, and says which fact does not hold."""
    known = list(filled(facts))
    false = [number for number, fact in enumerate(known) if not fact]
    assert false == [], f"of {len(known)} facts these do not hold: {false}"
    return True


def filled(items: Iterable[T]) -> Collection[T]:
    """The items of a loop that asserts something of each; there must be one."""
    known = list(items)
    assert known, "there is nothing to look at, so nothing is tested"
    return known


_CODE = re.compile(
    r"Input should|Value error|pydantic|unable to parse|raw data"  # a library's own sentences
    r"|\b[A-Za-z]+(?:Error|Exception)\b|\bgaierror\b|\bNoneType\b|<class|\bobject at 0x"  # classes and their text
    r"|(?<![\w-])_[A-Z][A-Z_]+\b|\bKafkaError\{|\bErrno\b|Traceback"  # names of librdkafka, numbers of the system
)


def names_of_code(text: str) -> list[str]:
    """What is in a text for users that only somebody who knows the code could read."""
    return _CODE.findall(text)

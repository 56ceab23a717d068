"""Whether a process has anything left to consume."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto


class Remaining(Enum):
    """What is left of the partitions that a process owns."""

    SOME = auto()
    """Records are consumed, or it is not known yet."""
    NONE = auto()
    """It owns no partition that is to be consumed."""
    ONLY_HALTED = auto()
    """Every partition that is not done is halted, since records of it were lost."""

    @staticmethod
    def of_all(parts: Iterable[Remaining]) -> Remaining:
        """What is left of several: the most that one of them has."""
        found = set(parts)
        if Remaining.SOME in found or not found:
            return Remaining.SOME
        return Remaining.ONLY_HALTED if Remaining.ONLY_HALTED in found else Remaining.NONE

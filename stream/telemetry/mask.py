"""The last defence: texts that are secret are masked in whatever is written, however they came to be in it."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "**********"
LEAST_CHARS = 8
"""Shorter texts are left alone: they are words as well, and masking those would garble the log."""


class Hidden:
    """The secrets of a process. `mask` may be asked by any thread while `add` is called by another."""

    def __init__(self) -> None:
        self._texts: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, texts: Iterable[str]) -> None:
        """Mask these from now on, too; those of before a reload are still in what is under way."""
        self._texts |= {text for text in texts if len(text) >= LEAST_CHARS}
        longest_first = sorted(self._texts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask(self, text: str) -> str:
        """`text` without any of them."""
        return text if self._pattern is None else self._pattern.sub(MASK, text)


HIDDEN = Hidden()
"""Those of this process."""

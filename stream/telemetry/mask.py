"""The last defence: texts that are secret are masked in whatever is written, however they came to be in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from stream.rules.secret_text import folded, replaced, spellings

MASK = "**********"
LEAST_CHARS = 8
"""Masking shorter texts everywhere would garble the log: they are masked where a name says
that a secret follows, and in the user's part of a URL."""

_CERTAIN = r"""(?ix)
    ( (?:password|passphrase|passwd|secret|token|key|authorization|credential|signature|cookie)s?
      [\w.\-]* ["']? \s* [=:] \s* ["']? (?:(?:bearer|basic|token)\s+)?
    | ://[^\s/@]*?:
    )
    (?:%s) (?![\w\-])
"""


class Hidden:
    """The secrets of a process. `mask` may be asked by any thread while `add` is called by another."""

    def __init__(self) -> None:
        self._texts: frozenset[str] = frozenset()
        self._longest_first: tuple[str, ...] = ()
        self._short: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, texts: Iterable[str]) -> None:
        """Mask these from now on as well; those of before a reload are still in what is under way."""
        given = set(filter(None, texts))
        self._texts |= {spelling for text in given if len(text) >= LEAST_CHARS for spelling in spellings(text)}
        self._longest_first = tuple(sorted(self._texts, key=len, reverse=True))
        self._short |= {spelling for text in given if len(text) < LEAST_CHARS for spelling in spellings(text)}
        if self._short:
            alternatives = "|".join(re.escape(text) for text in sorted(self._short, key=len, reverse=True))
            self._pattern = re.compile(_CERTAIN % alternatives)

    def mask(self, text: str) -> str:
        """`text` without any of them, in any spelling."""
        low = folded(text)
        for secret in self._longest_first:
            if secret in low:
                text = replaced(text, secret, MASK)
                low = folded(text)
        return text if self._pattern is None else self._pattern.sub(rf"\g<1>{MASK}", text)

    def mask_all(self, value: Any) -> Any:
        """A value with every text in it masked; what is neither a number, a list nor a table is taken as text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self.mask_all(held) for key, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.mask_all(held) for held in value]
        return self.mask(str(value))


HIDDEN = Hidden()
"""Those of this process."""

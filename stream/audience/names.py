"""Names of audiences and traits, and the snake_case key that each is known by on the topic.

| rule                                                   | name                          | key                         |
|--------------------------------------------------------|-------------------------------|-----------------------------|
| lower case; a blank becomes `_`                        | `Order completed last 30days` | order_completed_last_30days |
| digits stay with their letters, and may come first     | `30 day actives`              | 30_day_actives              |
| other characters, alone or in a row, become one `_`    | `Spend > $100 (EU)/month`     | spend_100_eu_month          |
| none at either end                                     | `  __VIP!  `                  | vip                         |
| apostrophes between letters vanish                     | `Didn't buy`                  | didnt_buy                   |
| a capital after a lower-case letter or a digit splits  | `OrderCompleted`, `last30Days`| order_completed, last30_days|
| so does the last capital of several before a word      | `HTTPServer`, but `VIPs`      | http_server, vips           |
| Latin letters lose their accents                       | `Café crème`                  | cafe_creme                  |
| letters of other scripts stay, in lower case           | `Заказ 1`                     | заказ_1                     |
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["audience", "trait"]

MAX_KEY_LENGTH = 200

_ID_PREFIXES: dict[Kind, str] = {"audience": "aud_", "trait": "tra_"}
_ID_DIGITS = 24
_ACCENT_OF_LATIN = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")
_APOSTROPHE = re.compile(r"(?<=[^\W_])['\u2019](?=[^\W_])")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")


@dataclass(frozen=True)
class Computation:
    """An audience or a trait: its exact name, and what it is called on the topic."""

    kind: Kind
    name: str
    key: str
    id: str

    @classmethod
    def named(cls, kind: Kind, name: str) -> Computation:
        """The computation of this name; blanks around it do not count.

        Raises:
            ValueError: no key can be made of the name; the text says why.
        """
        exact = name.strip()
        if not _is_utf8(exact):
            raise ValueError("is not UTF-8.")
        key = snake_case(exact)
        if not key:
            raise ValueError("has neither a letter nor a digit.")
        if len(key) > MAX_KEY_LENGTH:
            raise ValueError(f"is too long: its key has {len(key)} characters, {MAX_KEY_LENGTH} are allowed.")
        return cls(kind, exact, key, computation_id(kind, key))


def computation_id(kind: Kind, key: str) -> str:
    """An id in the form of Segment's, always the same for the same key."""
    return _ID_PREFIXES[kind] + hashlib.sha256(f"{kind}:{key}".encode()).hexdigest()[:_ID_DIGITS]


def snake_case(name: str) -> str:
    """The key of a name, by the table above; empty when nothing is left."""
    split = _CAMEL.sub("_", _APOSTROPHE.sub("", _without_accents(name)))
    folded = _without_accents(split.casefold())
    return re.sub("_+", "_", "".join(char if _is_word(char) else "_" for char in folded)).strip("_")


def _without_accents(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text)
    return _ACCENT_OF_LATIN.sub("", "".join(map(_without_accent, composed)))


def _without_accent(char: str) -> str:
    parts = unicodedata.normalize("NFKD", char)
    if char.isascii() or not parts[0].isascii():
        return char
    return "".join(part for part in parts if not unicodedata.combining(part))


def _is_utf8(text: str) -> bool:
    """Whether a text from the command line can be written anywhere."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_word(char: str) -> bool:
    """Letters, digits, and the marks without which some scripts cannot be written."""
    return char.isalnum() or unicodedata.category(char).startswith("M")

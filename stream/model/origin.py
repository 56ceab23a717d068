"""With which other groups of its deployment a group began to read a topic, as a suffix of its commits' metadata.

It is written with the group's first start on the topic and kept by every later commit, so that whether a workflow is
new to a deployment is known without any clock. Text: `~` and 4 characters of URL-safe base64 for each of the groups.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

_HASH_BYTES = 3
_SUFFIX = re.compile(r"~(?:[A-Za-z0-9_-]{4})+\Z")


def origin_of(groups: Iterable[str]) -> str:
    """The suffix that names these groups; empty for none."""
    names = sorted({_short(group) for group in groups})
    return f"~{''.join(names)}" if names else ""


def room_for(groups: int) -> int:
    """Characters that the suffix takes for so many groups at most."""
    return 1 + 4 * groups if groups else 0


def split_origin(metadata: str) -> tuple[str, str]:
    """A commit's own metadata, and its suffix or nothing."""
    found = _SUFFIX.search(metadata)
    return (metadata, "") if found is None else (metadata[: found.start()], found[0])


def is_named(origin: str, group: str) -> bool:
    """Whether a suffix names the group."""
    return _short(group) in {origin[at : at + 4] for at in range(1, len(origin), 4)}


def _short(group: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(group.encode()).digest()[:_HASH_BYTES]).decode("ascii")

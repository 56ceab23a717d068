"""Which references a command has to resolve, and what stands in for a value that it does without."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stream.model.needs import Needs
from stream.settings.draft import Location

_HOST = "unresolved.invalid"
"""A host that never resolves (RFC 6761), so nothing can be sent to a URL that was not needed."""
_SECRET_KEYS = ("url", "proxy", "headers", "shared_secret", "shared_secrets", "hash_salt")


def may_be_missing(needs: Needs, at: Location, tree: dict[str, Any]) -> bool:
    """Whether the command does without the value at this place.

    A workflow without a name is named by its URL, which then is needed wherever its name is.
    """
    if needs is Needs.KAFKA:
        match at:
            case ("workflow", int(index), "url"):
                return "name" in tree["workflow"][index]
            case ("workflow", int(), str(key), *_) | ("destination", str(key), *_):
                return key in _SECRET_KEYS
    return needs is Needs.NOTHING


def stand_in(at: Location, text: str) -> str | None:
    """What to put in place of `text`, whose reference is not resolved; None: leave the setting out."""
    match at:
        case ("workflow", int(), "url"):
            return f"https://{_HOST}/{quote(text, safe='')}"
        case ("workflow", int(), "proxy"):
            return f"http://{_HOST}:80"
        case ("workflow", int(), str(key), *_) | ("destination", str(key), *_) if key in _SECRET_KEYS:
            return f"{text}, which is not resolved"
    return None


def unresolved_text(url: str) -> str:
    """The text that a URL stands in for; empty when it is a real one."""
    parts = urlsplit(url)
    return unquote(parts.path[1:]) or url if parts.hostname == _HOST else ""

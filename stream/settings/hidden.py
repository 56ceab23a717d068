"""Every text of the settings that must not be written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from stream.settings.model import Settings
from stream.settings.options import is_secret_option
from stream.settings.proxy import ProxyUrl
from stream.settings.secret import Secret
from stream.settings.section import Section
from stream.settings.url import WorkflowUrl

_OPAQUE_CHARS = 16
"""A part of an address or of a header with so many characters is no word of a language."""


def hidden_texts(settings: Settings) -> set[str]:
    """Secrets, header values, passwords of options and proxies, and of each URL all that lies behind its host."""
    return {text for text in _texts(settings) if text}


def _texts(value: object) -> Iterator[str]:
    match value:
        case Section():
            for name in type(value).model_fields:
                yield from _texts(getattr(value, name))
        case WorkflowUrl() | ProxyUrl():
            yield from _of_url(value.reveal())
        case Secret():
            yield value.reveal()
        case tuple():
            for held in value:
                yield from _texts(held)
        case Mapping():
            for name, held in value.items():
                yield from _of_entry(name, held)


def _of_entry(name: str, value: str | Secret) -> Iterator[str]:
    """A header's value with its parts, or an option's value when it is a secret."""
    if isinstance(value, Secret):
        yield from _opaque(value.reveal(), *value.reveal().split())
    elif is_secret_option(name):
        yield value


def _of_url(url: str) -> Iterator[str]:
    """The whole, its path and query, and the parts of those, as written and decoded; a user name and a password."""
    parts = urlsplit(url)
    behind = url.split(parts.netloc, 1)[1]
    known = [parts.username, parts.password] if "@" in parts.netloc else []
    for text in (url, *known, *_opaque(behind, *re.split(r"[/?&=#]", behind))):
        if text:
            yield text
            yield unquote(text)


def _opaque(*texts: str) -> Iterator[str]:
    """Those that are no word of a language: masking those would garble the log."""
    return (text for text in texts if len(text) >= _OPAQUE_CHARS or any(char.isdigit() for char in text))

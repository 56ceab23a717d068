"""Every text of the settings that must not be written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from stream.rules.secret_text import secret_host, secret_parts
from stream.settings.egress import ProxyUrl
from stream.settings.model import Settings
from stream.settings.options import is_secret_option
from stream.settings.references import unresolved_text
from stream.settings.secret import Secret
from stream.settings.section import Section
from stream.settings.url import WorkflowUrl
from stream.settings.workflow import Workflow

_OPAQUE_CHARS = 16
"""A part of an address or of a header with so many characters is not a word of a language."""


_SECRET_HEADER = re.compile(r"auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)
"""What the name of a header has in it whose value is a secret in all its parts."""


def hidden_texts(settings: Settings) -> set[str]:
    """Secrets, header values, passwords of options and proxies, and of each URL what its redacted form leaves out."""
    return {text for text in _texts(settings) if text}


def workflow_secrets(settings: Settings, workflow: Workflow) -> tuple[str, ...]:
    """The same of one workflow: what its answers may quote."""
    found = {*_texts(workflow), *(secret.reveal() for secret in settings.secrets_of(workflow))}
    return tuple(sorted(text for text in found if text))


def _texts(value: object) -> Iterator[str]:
    match value:
        case Section():
            for name in type(value).model_fields:
                yield from _texts(getattr(value, name))
        case WorkflowUrl() | ProxyUrl():
            if not unresolved_text(value.reveal()):
                yield from _of_url(value.reveal())
        case Secret():
            yield from _of_secret(value.reveal())
        case tuple():
            for held in value:
                yield from _texts(held)
        case Mapping():
            for name, held in value.items():
                yield from _of_entry(name, held)


def _of_secret(text: str) -> Iterator[str]:
    """The whole, and each longer line of one that has several: others print them one by one."""
    yield text
    lines = text.split() if "-----BEGIN" in text else text.splitlines()
    yield from (line for line in lines if len(line) >= _OPAQUE_CHARS and not line.startswith("-----"))


def _of_entry(name: str, value: str | Secret) -> Iterator[str]:
    """A header's value with its parts, or an option's value when it is a secret."""
    if isinstance(value, Secret):
        parts = secret_parts(value.reveal())
        yield from parts if _SECRET_HEADER.search(name) else _opaque(*parts)
    elif is_secret_option(name):
        yield from _of_secret(value)
        yield from _opaque(*secret_parts(value))


def _of_url(url: str) -> Iterator[str]:
    """The whole, its path and query, and the parts of those, as written and decoded; a user name and a password.

    An opaque host, and its secret part alone.
    """
    parts = urlsplit(url)
    behind = url.split(parts.netloc, 1)[1]
    known = [parts.username, parts.password] if "@" in parts.netloc else []
    host = parts.hostname or ""
    secret = secret_host(host)
    hosts = [] if secret is None else [host, secret, secret.rpartition(".")[2]]
    for text in (url, *known, *hosts, *_opaque(behind, *re.split(r"[/?&=#]", behind))):
        if text:
            yield text
            yield unquote(text)


def _opaque(*texts: str) -> Iterator[str]:
    """Those that are not words of a language: masking words would garble the log."""
    return (text for text in texts if len(text) >= _OPAQUE_CHARS or any(char.isdigit() for char in text))

"""Secrets in text: which parts of a header's value and of a host are secret, and how a secret may be spelled."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
LEAST_CHARS = 4
"""Shorter parts are common text and small numbers that reveal nothing."""
TRAY_DOMAIN = "trayapp.io"
"""Below it the first label of a host is the key to a workflow."""

_SEPARATOR = re.compile(r"[\s,;=:\"'<>()]+")
_SCHEMES = frozenset(
    (
        *("api-key", "apikey", "aws4-hmac-sha256", "basic", "bearer", "credential", "digest", "hawk", "hmac", "key"),
        *("negotiate", "oauth", "password", "realm", "secret", "signature", "signedheaders", "token", "username"),
    )
)
"""Words that say what kind of secret follows."""
_OPAQUE_LABEL = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{16}", re.IGNORECASE)


def secret_parts(text: str) -> Iterator[str]:
    """`text` and what is secret by itself in it, such as the token after `Bearer `."""
    if len(text) >= LEAST_CHARS:
        yield text
    for part in _SEPARATOR.split(text):
        if len(part) >= LEAST_CHARS and part != text and part.lower() not in _SCHEMES:
            yield part


def secret_host(host: str) -> str | None:
    """The part of a host name that is secret: up to its last opaque label; None where it has none.

    Opaque are a UUID, 16 hex digits or more, and the first label of everything below `trayapp.io`.
    """
    labels = host.split(".")
    opaque = [number for number, label in enumerate(labels) if _OPAQUE_LABEL.search(label)]
    if not opaque and host.rstrip(".").lower().endswith("." + TRAY_DOMAIN):
        opaque = [0]
    return ".".join(labels[: opaque[-1] + 1]) if opaque else None


def shown_host(host: str) -> str:
    """`host` as it may be printed: `***.trayapp.io`."""
    secret = secret_host(host)
    return host if secret is None else MASK + host[len(secret) :]


def spellings(text: str) -> set[str]:
    """`text` as it stands and in the escapes of JSON, URLs, forms, HTML and Python, all folded."""
    return {folded(spelled(text)) for spelled in _SPELLINGS}


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: repr(text)[1:-1],
    lambda text: quote(text, errors="replace"),
    lambda text: quote(text, safe="", errors="replace"),
    lambda text: quote_plus(text, errors="replace"),
    html.escape,
    lambda text: html.escape(text, quote=False),
)


def folded(text: str) -> str:
    """`text` in lower case, with as many characters as before."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def replaced(text: str, piece: str, mask: str = MASK) -> str:
    """`text` with the mask in place of each occurrence of a folded piece, whatever its case."""
    if not piece:
        return text
    low, kept, position = folded(text), list[str](), 0
    while (at := low.find(piece, position)) >= 0:
        kept += [text[position:at], mask]
        position = at + len(piece)
    return "".join([*kept, text[position:]])

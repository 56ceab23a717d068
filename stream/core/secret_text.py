"""Which parts of a header's value and of a host are secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"
LEAST_CHARS = 4
"""Shorter parts are words and small numbers that reveal nothing."""
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

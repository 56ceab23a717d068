"""The extra headers of a workflow: which are refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from stream.settings.faults import Fault, refusal

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

_OF_THE_CONNECTION = (
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "trailers",
    "upgrade",
    "keep-alive",
    "proxy-*",
    "host",
    "content-encoding",
    "content-type",
    "accept-encoding",
    "expect",
)
_OF_THIS_PROGRAM = ("x-signature", "idempotency-key", "user-agent", "traceparent", "webhook-*", "x-tray-*")


def read_headers(raw: object) -> object:
    """Check a table of headers before it is read as text. Raises the model's refusal with each fault."""
    if not isinstance(raw, dict):
        return raw
    faults = [fault for name, value in raw.items() if (fault := _header_fault(name, value))]
    faults += _repeated(list(raw))
    if faults:
        raise refusal(*faults)
    return raw


def _header_fault(name: str, value: object) -> Fault | None:
    if not _NAME.fullmatch(name):
        return Fault("is not a header name.", "Use letters, digits and hyphens.", name)
    if _matches(name, _OF_THE_CONNECTION):
        return Fault("is set by the HTTP connection itself.", "Remove it.", name)
    if _matches(name, _OF_THIS_PROGRAM):
        return Fault("is a header that this program sets.", "Remove it.", name)
    if not isinstance(value, str):
        return Fault("must be text.", "Put it in quotes.", name)
    if _FORBIDDEN_IN_VALUE.search(value):
        what = "holds a line break, a control character or a character outside Latin-1."
        return Fault(what, "Remove it, or encode it.", name)
    return None


def _repeated(names: list[str]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Fault(f"is the same header as {first}: case does not count.", "Remove one.", name)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)

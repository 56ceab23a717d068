"""The proxy on the way to a workflow."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from stream.rules.secret_text import shown_host
from stream.settings.secret import Secret
from stream.settings.section import Fault
from stream.settings.url import MAX_URL_CHARS, url_fault

_NOT_IN_CREDENTIALS = re.compile(r"[\x00-\x1f\x7f#]")


class ProxyUrl(Secret):
    """Where a proxy listens: http or https, perhaps with a user name and a password."""

    __slots__ = ()

    def redacted(self) -> str:
        """Scheme, host and port: what may be printed of it."""
        parts = urlsplit(self._text)
        return f"{parts.scheme}://{shown_host(parts.netloc.rpartition('@')[2])}"

    def fault(self) -> Fault | None:
        """The first thing that makes it unusable."""
        return proxy_fault(self._text)


def proxy_fault(proxy: str) -> Fault | None:
    """The first thing that makes `proxy` unusable, or None."""
    head, at, host = proxy.rpartition("@")
    scheme, slashes, _ = head.partition("://")
    if at and not slashes:
        return Fault("has no scheme.", "Write http://… in front of it.")
    if _NOT_IN_CREDENTIALS.search(head):
        return Fault("holds a control character or a # in its user name or password.", "Percent-encode it.")
    if len(proxy) > MAX_URL_CHARS:
        return Fault(f"is longer than {MAX_URL_CHARS} characters.", "Shorten it.")
    fault = url_fault(f"{scheme}://{host}" if at else proxy)
    if fault is not None:
        return fault
    if urlsplit(proxy).path not in ("", "/") or urlsplit(proxy).query:
        return Fault("has a path.", "Write it as http://host:port.")
    return None

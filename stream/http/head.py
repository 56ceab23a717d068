"""The head of a request as bytes; what is the same in every head is made once."""

from __future__ import annotations

import re

from stream.http.httpx_parts import URL
from stream.http.proxy import ProxyServer
from stream.model.attempts import HttpRequest

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class HeadWriter:
    """Writes the heads of the requests to one URL, which a proxy may forward."""

    def __init__(self, target: URL, forwarded_by: ProxyServer | None = None) -> None:
        host, path = target.netloc.decode("ascii"), target.raw_path.decode("ascii")
        if forwarded_by is not None:
            path = f"{target.scheme}://{host}{path}"
        authorization = forwarded_by.authorization if forwarded_by else ""
        self._start = f"POST {path} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n{authorization}"
        # Invariant: `_prefix` is `_start` and the lines of `_constant`.
        self._constant: tuple[tuple[str, str], ...] = ()
        self._prefix = self._start.encode("latin-1")
        self._names: set[str] = set()

    def write(self, request: HttpRequest) -> bytes:
        """All that comes before the body. Raises ValueError when a header cannot be sent."""
        if request.constant is not self._constant:
            shared = "".join([self._line(name, value) for name, value in request.constant])
            self._prefix = (self._start + shared).encode("latin-1")
            self._constant = request.constant
        if not request.lines:
            request.lines = self._own_lines(request)
        return self._prefix + request.lines

    def _own_lines(self, request: HttpRequest) -> bytes:
        text = ""
        for name, value in request.own:
            if name not in self._names or not value.isprintable():
                text += self._line(name, value)
            else:
                text += f"{name}: {value}\r\n"
        return f"{text}content-length: {len(request.body)}\r\n\r\n".encode("latin-1")

    def _line(self, name: str, value: str) -> str:
        if name not in self._names:
            if not _NAME.fullmatch(name):
                raise ValueError("not a header name")
            self._names.add(name)
        if _FORBIDDEN_IN_VALUE.search(value):
            raise ValueError("not a header value")
        return f"{name}: {value}\r\n"

"""The head of a request as bytes; what is the same in every head is made once."""

from __future__ import annotations

import re
from itertools import takewhile

import httpx

from stream.core.model import HttpRequest

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN_IN_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class HeadWriter:
    """Writes the heads of the requests to one URL.

    Requests of one workflow begin with the same headers. Those are found by comparing, so nobody has to name them.
    """

    def __init__(self, target: httpx.URL) -> None:
        host, path = target.netloc.decode("ascii"), target.raw_path.decode("ascii")
        self._start = f"POST {path} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n"
        # Invariant: `_prefix` is `_start` and the lines of `_constant`.
        self._constant: list[tuple[str, str]] | None = None
        self._count = 0
        self._prefix = ""
        self._names: set[str] = set()

    def write(self, request: HttpRequest) -> bytes:
        """All that comes before the body. Raises ValueError when a header cannot be sent."""
        headers = request.headers
        if headers[: self._count] != self._constant:
            self._learn(headers)
        text = self._prefix
        for name, value in headers[self._count :]:
            text += self._line(name, value)
        return f"{text}content-length: {len(request.body)}\r\n\r\n".encode("latin-1")

    def _learn(self, headers: list[tuple[str, str]]) -> None:
        """Take for constant what these headers and all earlier ones begin with; at first, all of them."""
        pairs = zip(headers, headers if self._constant is None else self._constant, strict=False)
        constant = [header for header, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        self._prefix = self._start + "".join(self._line(name, value) for name, value in constant)
        self._constant, self._count = constant, len(constant)

    def _line(self, name: str, value: str) -> str:
        if name not in self._names:
            if not _NAME.fullmatch(name):
                raise ValueError("not a header name")
            self._names.add(name)
        if not value.isprintable() and _FORBIDDEN_IN_VALUE.search(value):
            raise ValueError("not a header value")
        return f"{name}: {value}\r\n"

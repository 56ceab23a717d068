"""Reads the head of an answer, as leniently as RFC 9112 lets a user agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/(0\.9|1\.\d|2\.0)[ \t]+([1-9]\d\d)(?:[ \t].*)?")
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_LINE_END = re.compile(rb"\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\0\r]*)")
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_OLD_VERSIONS = (b"0.9", b"1.0", b"2.0")
_WITHOUT_BODY = (204, 304)


class MalformedHeadError(Exception):
    """What came is not the head of an answer."""


@dataclass(slots=True)
class ResponseHead:
    """A status and what follows from the headers. `length` is None unless the head says it."""

    status: int
    is_chunked: bool
    length: int | None
    is_kept_alive: bool
    retry_after: str | None
    date: str | None


def parse_head(raw: bytes) -> ResponseHead:
    """Read a head, its empty line included. Folded headers are unfolded, and line feeds alone end lines.

    Where an encoding and a length are given the encoding counts, and the connection is not to be used again.

    Raises:
        MalformedHeadError: it is not one, or says how long the body is in a way that cannot be understood.
    """
    status_line, *lines = _LINE_END.split(_FOLD.sub(b" ", raw.strip(b"\r\n")))
    started = _STATUS_LINE.fullmatch(status_line)
    if started is None:
        raise MalformedHeadError
    headers = _headers(lines)
    options = _tokens(headers, b"connection")
    encodings = _tokens(headers, b"transfer-encoding")
    status = int(started[2])
    has_body = status >= 200 and status not in _WITHOUT_BODY
    is_kept = "close" not in options and (started[1] not in _OLD_VERSIONS or "keep-alive" in options)
    return ResponseHead(
        status,
        is_chunked=has_body and encodings[-1:] == ["chunked"],
        length=_length(headers) if has_body and not encodings else None if has_body else 0,
        is_kept_alive=is_kept and not (encodings and b"content-length" in headers),
        retry_after=_joined(headers, b"retry-after"),
        date=_joined(headers, b"date"),
    )


def _headers(lines: list[bytes]) -> dict[bytes, list[str]]:
    headers: dict[bytes, list[str]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise MalformedHeadError
        headers.setdefault(header[1].lower(), []).append(header[2].rstrip(b" \t").decode("latin-1"))
    return headers


def _joined(headers: dict[bytes, list[str]], name: bytes) -> str | None:
    """The header's value; several are joined, as HTTP has it."""
    return ", ".join(headers[name]) if name in headers else None


def _tokens(headers: dict[bytes, list[str]], name: bytes) -> list[str]:
    tokens = ",".join(headers.get(name, ())).lower().split(",")
    return [token.strip() for token in tokens if token.strip()]


def _length(headers: dict[bytes, list[str]]) -> int | None:
    """The length of the body; one that is said several times has to be the same each time (RFC 9110 section 8.6)."""
    if b"content-length" not in headers:
        return None
    lengths = {text.strip() for text in ",".join(headers[b"content-length"]).split(",")}
    if len(lengths) > 1 or not _LENGTH.fullmatch(length := lengths.pop()):
        raise MalformedHeadError
    return int(length)

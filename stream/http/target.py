"""Where a sender sends to: a workflow's URL, taken apart the way httpx does."""

from __future__ import annotations

from stream.http.httpx_parts import URL, InvalidURL

_DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_target(url: str) -> URL:
    """`url`, its path and query percent-encoded. Raises ValueError, without the URL in it, when it cannot be used."""
    try:
        target = URL(url)
    except InvalidURL:
        target = URL()
    if target.scheme not in ("http", "https") or not target.raw_host or target.userinfo:
        raise ValueError("The workflow's URL cannot be used.")
    return target


def port_of(url: URL) -> int:
    """The port to connect to."""
    return url.port or _DEFAULT_PORTS[url.scheme]


def authority(url: URL) -> str:
    """Host and port, as a proxy is asked for them."""
    host = url.raw_host.decode("ascii")
    return f"{f'[{host}]' if ':' in host else host}:{port_of(url)}"


def server_name(url: URL) -> str:
    """The host as TLS names it and as certificates do: without the dot of an absolute name (RFC 6066 section 3)."""
    return url.raw_host.decode("ascii").removesuffix(".")

"""A proxy on the way to a workflow."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import httpcore
import httpx


@dataclass(frozen=True)
class ProxyServer:
    """An HTTP proxy, which forwards requests to http workflows and opens tunnels to https ones.

    `url` may hold a user name and a password. `tls` is for a proxy that is itself reached over TLS.
    """

    url: str = field(repr=False)
    tls: ssl.SSLContext | None = None

    def for_httpcore(self) -> httpcore.Proxy:
        """The proxy as httpcore takes it."""
        url = httpx.URL(self.url)
        where = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
        auth = (url.username, url.password) if url.userinfo else None
        return httpcore.Proxy(where, auth=auth, ssl_context=self.tls if url.scheme == "https" else None)

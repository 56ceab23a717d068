"""A proxy on the way to a workflow."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from typing import cast

from stream.http.httpx_parts import URL
from stream.http.reader import AnswerReader, ReadProgress
from stream.http.translate import ProxyError


@dataclass(frozen=True)
class ProxyServer:
    """An HTTP proxy, which forwards requests to http workflows and opens tunnels to https ones.

    `url` may hold a user name and a password. `tls` is for a proxy that is itself reached over TLS.
    """

    url: str = field(repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def authorization(self) -> str:
        """The header line that shows the user name and the password; empty without them."""
        url = URL(self.url)
        if not url.userinfo:
            return ""
        credentials = b64encode(f"{url.username}:{url.password}".encode()).decode("ascii")
        return f"proxy-authorization: Basic {credentials}\r\n"


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel to `host` (an authority, port included)."""

    def __init__(self, host: str, authorization: str) -> None:
        self._request = f"CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n{authorization}\r\n".encode("ascii")
        self._answer = AnswerReader(keep=0)
        self._is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    async def opened(self) -> None:
        """Wait until the proxy has opened it.

        Raises:
            ProxyError: it refuses, or does not speak HTTP.
        """
        await self._is_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._request)

    def data_received(self, chunk: bytes) -> None:
        """Read the head of the answer; a tunnel's answer has no body, whatever its head says."""
        self._answer.feed(chunk)
        if self._answer.head or self._answer.progress is ReadProgress.BROKEN:
            self._conclude(self._answer.status)

    def connection_lost(self, error: Exception | None) -> None:
        """The proxy has hung up."""
        self._conclude(0)

    def _conclude(self, status: int) -> None:
        if self._is_open.done():
            return
        if 200 <= status < 300:
            self._is_open.set_result(None)
        else:
            self._is_open.set_exception(ProxyError(status))

"""One connection to a workflow: one request at a time, one fresh start when it had gone stale."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import httpcore
import httpx

from stream.core.model import Answer, HttpRequest
from stream.webhook.excerpt import Excerpts
from stream.webhook.network import CheckedNetwork
from stream.webhook.translate import proxy_status

MAX_BODY_BYTES = 64 * 1024
"""Read of an answer's body; when it goes on, the connection is closed and the status stands."""
IDENTITY = (b"accept-encoding", b"identity")
"""No compression, so that the limit on the body cannot be blown up."""
PROXY_PASSWORD_WANTED = 407


class Connection(httpx.AsyncHTTPTransport):
    """Takes one request at a time to `url` over one kept-alive connection, opened when first needed.

    As a bare transport it knows no redirects, cookies, proxies of the environment or .netrc.
    """

    def __init__(
        self,
        url: httpx.URL,
        excerpts: Excerpts,
        tls: ssl.SSLContext,
        keepalive_s: float,
        open_network: Callable[[], CheckedNetwork],
        proxy: httpcore.Proxy | None,
        http2: bool = False,
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._url = url
        self._excerpts = excerpts
        self._network = open_network()
        # httpx's own pool is replaced: it has no way to give it a network, and its limits are for many connections.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=1,
            keepalive_expiry=keepalive_s,
            http2=http2,
            network_backend=self._network,
            proxy=proxy,
        )

    @property
    def is_reusable(self) -> bool:
        """The connection is open and waits for another request."""
        return any(connection.is_idle() and not _has_surplus(connection) for connection in self._pool.connections)

    async def exchange(self, request: HttpRequest) -> Answer:
        """Send one request and read its answer.

        Raises what httpx raises. A server may close an idle connection just when the request is on its way: when the
        connection was a used one and not a byte came back, the request is sent once more, on a new connection.
        """
        try:
            return await self._attempt(request)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            if self._network.connects or self._network.has_received:
                raise
        return await self._attempt(request)

    async def _attempt(self, request: HttpRequest) -> Answer:
        self._network.watch()
        try:
            response = await self.handle_async_request(self._wire_request(request))
        except httpx.ProxyError as error:
            if proxy_status(error) == PROXY_PASSWORD_WANTED:
                return Answer(PROXY_PASSWORD_WANTED)
            raise
        try:
            body = await _beginning(response, self._excerpts.bytes_needed)
        finally:
            # Closes the connection, too, unless the body was read to its end.
            await response.aclose()
        retry_after = response.headers.get("retry-after")
        return Answer(response.status_code, retry_after=retry_after, excerpt=self._excerpts.cut(body))

    def _wire_request(self, request: HttpRequest) -> httpx.Request:
        headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in request.headers]
        return httpx.Request("POST", self._url, headers=[*headers, IDENTITY], content=request.body)


async def _beginning(response: httpx.Response, keep: int) -> bytes:
    """Read the body to its end or to the limit; the first `keep` bytes of it."""
    kept = b""
    size = 0
    async for chunk in response.aiter_raw():
        kept += chunk[: keep - len(kept)]
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            break
    return kept


def _has_surplus(connection: Any) -> bool:
    """Bytes came behind the last answer. httpcore would take them for the beginning of the next one."""
    while (inner := getattr(connection, "_connection", None)) is not None:  # a tunnel has one more within it
        connection = inner
    state = getattr(connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])

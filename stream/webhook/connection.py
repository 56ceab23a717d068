"""One connection to a workflow: one request at a time, one fresh start when it had gone stale."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpcore
import httpx

from stream.core.model import Answer, HttpRequest
from stream.webhook.excerpt import Excerpts
from stream.webhook.translate import HandshakeError

MAX_BODY_BYTES = 64 * 1024
"""Read of an answer's body; when it goes on, the connection is closed and the status stands."""
IDENTITY = (b"accept-encoding", b"identity")
"""No compression, so that the limit on the body cannot be blown up."""


@cache
def shared_tls() -> ssl.SSLContext:
    """The process's TLS settings: verified against the usual authorities. Costly, hence made once."""
    return httpx.create_ssl_context(trust_env=False)


class Connection(httpx.AsyncHTTPTransport):
    """Takes one request at a time to `url` over one kept-alive connection, opened when first needed.

    As a bare transport it knows no redirects, cookies, proxies of the environment or .netrc.
    """

    def __init__(self, url: httpx.URL, excerpts: Excerpts, tls: ssl.SSLContext, keepalive_s: float) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._url = url
        self._excerpts = excerpts
        self._network = _WatchedNetwork()
        # httpx's own pool is replaced: it has no way to give it a network, and its limits are for many connections.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=1, keepalive_expiry=keepalive_s, network_backend=self._network
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
        response = await self.handle_async_request(self._wire_request(request))
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
    state = getattr(connection._connection, "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])


class _WatchedNetwork(httpcore.AsyncNetworkBackend):
    """httpcore's network, which remembers whether it connected and whether anything came back."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()
        self.watch()

    def watch(self) -> None:
        """Forget what was seen so far."""
        self.connects = 0
        self.has_received = False

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self.connects += 1
        return _WatchedStream(await self._inner.connect_tcp(*args, **kwargs), self)


class _WatchedStream(httpcore.AsyncNetworkStream):
    """A connection that tells its network of the bytes it receives."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, network: _WatchedNetwork) -> None:
        self._inner = inner
        self._network = network

    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        chunk = await self._inner.read(*args, **kwargs)
        self._network.has_received = self._network.has_received or bool(chunk)
        return chunk

    async def write(self, *args: Any, **kwargs: Any) -> None:
        await self._inner.write(*args, **kwargs)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        try:
            return _WatchedStream(await self._inner.start_tls(*args, **kwargs), self._network)
        except Exception as error:  # whatever it is, the handshake has failed
            raise HandshakeError from error
        except BaseException:  # the deadline, or a cancel: httpcore would leave the socket open
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

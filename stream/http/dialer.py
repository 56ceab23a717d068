"""Opens connections to a workflow: name, egress check, TCP, the tunnel of a proxy, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from stream.http.egress import CheckAddress, numeric
from stream.http.httpx_parts import URL
from stream.http.lookup import Address, Lookup
from stream.http.proxy import ProxyServer, Tunnel
from stream.http.resolver import Resolver
from stream.http.target import authority, port_of, server_name
from stream.http.tls import BUFFER_BYTES, TlsReadAdapter, shared_tls
from stream.http.translate import HandshakeError, HostUnreachableError

HEAD_START_S = 0.25
"""How long an address is waited for before the next is tried as well (RFC 8305 recommends this)."""


class Dialer:
    """Opens connections to one host, through `proxy` where there is one.

    `tls` replaces the shared TLS settings. A proxy forwards what is sent in the clear, and opens a tunnel for TLS.
    """

    def __init__(
        self,
        target: URL,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        lookup: Lookup,
        check: CheckAddress,
        proxy: ProxyServer | None = None,
    ) -> None:
        self._tls = (tls or shared_tls()) if target.scheme == "https" else None
        self._server_name = server_name(target)
        self._authority = authority(target)
        self._proxy = proxy
        hop = target if proxy is None else URL(proxy.url)
        self._buffer = memoryview(bytearray(BUFFER_BYTES if self._tls is not None else 0))
        # The attempt's own deadline comes first; the loop's default might come before it.
        self._handshake_timeout_s = 2 * timeout_s
        self._check = check
        self._resolver = Resolver(hop.raw_host.decode("ascii"), port_of(hop), lookup)

    async def open(self, protocol: asyncio.Protocol) -> None:
        """Connect `protocol`; its `connection_made` is called when bytes can be sent.

        Raises:
            UnreachableError: no address could be connected to; its cause says why.
            ProxyError: the proxy refuses.
            HandshakeError: TLS failed; its cause says why.
        """
        sock = await self._connected()
        # From here on the loop closes the socket, whatever happens.
        if self._proxy is None:
            secured = protocol if self._tls is None else TlsReadAdapter(protocol, self._buffer)
            await self._secure(sock, secured, self._tls, self._server_name)
        else:
            await self._go_through(self._proxy, sock, protocol)

    async def close(self) -> None:
        """Stop every attempt to connect."""
        await self._resolver.close()

    async def _connected(self) -> socket.socket:
        try:
            return await first_connected(await self._resolver.addresses(), self._connect)
        except OSError as error:
            self._resolver.forget()
            raise HostUnreachableError from error

    async def _connect(self, address: Address) -> socket.socket:
        self._check(numeric(address.sockaddr[0]))
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
        except BaseException:  # a cancel as well: nobody else knows the socket
            sock.close()
            raise
        return sock

    async def _secure(
        self, sock: socket.socket, protocol: asyncio.BaseProtocol, tls: ssl.SSLContext | None, name: str
    ) -> None:
        loop = asyncio.get_running_loop()
        if tls is None:
            await loop.create_connection(lambda: protocol, sock=sock)
            return
        try:
            await loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=tls,
                server_hostname=name,
                ssl_handshake_timeout=self._handshake_timeout_s,
            )
        except (OSError, EOFError) as error:
            raise HandshakeError from error

    async def _go_through(self, proxy: ProxyServer, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        url = URL(proxy.url)
        proxy_tls = (proxy.tls or shared_tls()) if url.scheme == "https" else None
        if self._tls is None:
            await self._secure(sock, protocol, proxy_tls, server_name(url))
            return
        tunnel = Tunnel(self._authority, proxy.authorization)
        await self._secure(sock, tunnel, proxy_tls, server_name(url))
        try:
            await tunnel.opened()
            await self._secure_tunnel(tunnel.transport, TlsReadAdapter(protocol, self._buffer), self._tls)
        except BaseException:  # a cancel as well: nobody else knows the transport
            tunnel.transport.abort()
            raise

    async def _secure_tunnel(self, through: asyncio.Transport, protocol: TlsReadAdapter, tls: ssl.SSLContext) -> None:
        try:
            transport = await asyncio.get_running_loop().start_tls(
                through,
                protocol,
                tls,
                server_hostname=self._server_name,
                ssl_handshake_timeout=self._handshake_timeout_s,
            )
        except (OSError, EOFError) as error:
            raise HandshakeError from error
        if transport is None or transport.is_closing():
            raise HandshakeError from ConnectionResetError()
        protocol.connection_made(transport)


class Closable(Protocol):
    """A connection: a socket, or what stands for one."""

    def close(self) -> object:
        """Close it."""


Connected = TypeVar("Connected", bound=Closable)


async def first_connected(
    addresses: Sequence[Address], connect: Callable[[Address], Coroutine[Any, Any, Connected]]
) -> Connected:
    """The connection that is made first. When none is, raises what the last address raised."""
    if len(addresses) == 1:
        return await connect(addresses[0])
    waiting, winner = deque(addresses), None
    runners: list[asyncio.Task[Connected]] = []
    try:
        while winner is None:
            if waiting:
                runners.append(asyncio.create_task(connect(waiting.popleft())))
            running = [runner for runner in runners if not runner.done()]
            if not running:
                return runners[-1].result()
            head_start = HEAD_START_S if waiting else None
            await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            winner = next((runner for runner in runners if runner.done() and runner.exception() is None), None)
        return winner.result()
    finally:
        for runner in runners:
            if runner is not winner:
                runner.cancel()
                runner.add_done_callback(_discard)


def _discard(loser: asyncio.Task[Connected]) -> None:
    if not loser.cancelled() and loser.exception() is None:
        loser.result().close()

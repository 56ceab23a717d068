"""Opens connections to a workflow: name, egress check, TCP, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl

import httpx

from stream.webhook.egress import CheckAddress, numeric
from stream.webhook.fast.decrypted import BUFFER_BYTES, Decrypted
from stream.webhook.fast.race import first_connected
from stream.webhook.fast.resolver import Address, Lookup, Resolver
from stream.webhook.tls import shared_tls
from stream.webhook.translate import HandshakeError, UnreachableError


class Dialer:
    """Opens connections to one host. `tls` replaces the shared TLS settings."""

    def __init__(
        self, target: httpx.URL, tls: ssl.SSLContext | None, timeout_s: float, lookup: Lookup, check: CheckAddress
    ) -> None:
        self._host = target.raw_host.decode("ascii")
        self._tls = (tls or shared_tls()) if target.scheme == "https" else None
        if self._tls is not None:
            # httpcore sets others on a context that is to speak HTTP/2.
            self._tls.set_alpn_protocols(["http/1.1"])
            self._buffer = memoryview(bytearray(BUFFER_BYTES))
        # The attempt's own deadline comes first; the loop's default might come before it.
        self._handshake_timeout_s = 2 * timeout_s
        self._check = check
        self._resolver = Resolver(self._host, target.port or (443 if self._tls else 80), lookup)

    async def open(self, protocol: asyncio.Protocol) -> None:
        """Connect `protocol`; its `connection_made` is called when bytes can be sent.

        Raises:
            UnreachableError: no address could be connected to; its cause says why.
            HandshakeError: TLS failed; likewise.
        """
        await self._hand_over(await self._connected(), protocol)

    async def close(self) -> None:
        """Stop what is going on."""
        await self._resolver.close()

    async def _connected(self) -> socket.socket:
        try:
            return await first_connected(await self._resolver.addresses(), self._connect)
        except OSError as error:
            self._resolver.forget()
            raise UnreachableError from error

    async def _connect(self, address: Address) -> socket.socket:
        self._check(numeric(address.sockaddr[0]))
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
        except BaseException:  # a cancel, too: nobody else knows the socket
            sock.close()
            raise
        return sock

    async def _hand_over(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        # From here on the loop closes the socket, whatever happens.
        loop = asyncio.get_running_loop()
        if self._tls is None:
            await loop.create_connection(lambda: protocol, sock=sock)
            return
        try:
            await loop.create_connection(
                lambda: Decrypted(protocol, self._buffer),
                sock=sock,
                ssl=self._tls,
                server_hostname=self._host,
                ssl_handshake_timeout=self._handshake_timeout_s,
            )
        except (OSError, EOFError) as error:
            raise HandshakeError from error

"""httpcore's way to the network: addresses are checked before they are connected to, and what comes back is noticed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpcore

from stream.webhook.egress import CheckAddress, numeric
from stream.webhook.fast.race import first_connected
from stream.webhook.fast.resolver import Address, Lookup
from stream.webhook.translate import HandshakeError


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Remembers whether it connected, and whether anything came back, since `watch`.

    `check` is asked of each address that a host resolves to, and that address is the one connected to: a name server
    that answers differently the next time gains nothing.
    """

    def __init__(self, lookup: Lookup, check: CheckAddress) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._lookup = lookup
        self._check = check
        self.watch()

    def watch(self) -> None:
        """Forget what was seen so far."""
        self.connects = 0
        self.has_received = False

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Connect to whichever of the host's addresses answers first.

        Raises:
            httpcore.ConnectError: none does, or may be connected to; the cause says why.
        """
        self.connects += 1
        try:
            return await first_connected(await self._lookup(host, port), self._connect)
        except OSError as error:
            raise httpcore.ConnectError from error

    async def _connect(self, address: Address) -> WatchedStream:
        ip, port = address.sockaddr[:2]
        self._check(numeric(ip))
        return WatchedStream(await self._inner.connect_tcp(ip, port), self)


class WatchedStream(httpcore.AsyncNetworkStream):
    """A connection that tells its network of the bytes it receives."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, network: CheckedNetwork) -> None:
        self._inner = inner
        self._network = network

    async def read(self, *args: Any, **kwargs: Any) -> bytes:
        """The next bytes."""
        chunk = await self._inner.read(*args, **kwargs)
        self._network.has_received = self._network.has_received or bool(chunk)
        return chunk

    async def write(self, *args: Any, **kwargs: Any) -> None:
        """Send bytes."""
        await self._inner.write(*args, **kwargs)

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def close(self) -> None:
        """Close it soon: another address was faster."""
        self._closing = asyncio.get_running_loop().create_task(self._inner.aclose())

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Go on encrypted.

        Raises:
            HandshakeError: TLS failed; its cause says why.
        """
        try:
            return WatchedStream(await self._inner.start_tls(*args, **kwargs), self._network)
        except Exception as error:  # whatever it is, the handshake has failed
            raise HandshakeError from error
        except BaseException:  # the deadline, or a cancel: httpcore would leave the socket open
            await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        """What the socket knows."""
        return self._inner.get_extra_info(info)

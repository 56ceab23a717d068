"""Sends requests to one workflow over httpx: the general sender."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from stream.core.model import Answer, HttpRequest
from stream.core.ports import Answered, Attempt
from stream.webhook.connection import Connection
from stream.webhook.connections import IdleConnections
from stream.webhook.egress import CheckAddress, allow_all
from stream.webhook.excerpt import Excerpts
from stream.webhook.fast.resolver import Lookup, system_lookup
from stream.webhook.network import CheckedNetwork
from stream.webhook.proxy import ProxyServer
from stream.webhook.target import parse_target
from stream.webhook.tls import shared_tls
from stream.webhook.translate import failure_text, failure_word

KEEPALIVE_S = 30.0


class HttpxSender:
    """`ports.Sender` for one URL; to be used from one event loop.

    `timeout_s` bounds an attempt as a whole, from connect to the end of the answer. `max_connections` is how many
    connections are kept between requests; how many are in use at once is up to the caller. `tls` replaces the shared
    TLS settings. `lookup` finds a host's addresses; `check` may refuse one before it is connected to: with a `proxy`
    that is the proxy's, since the proxy finds the workflow's. With `http2` the server may choose it over TLS; then
    `tls` must be no other sender's, since it tells the server what it may choose. Raises ValueError, without the URL in
    it, when `url` cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_connections: int = 64,
        keepalive_s: float = KEEPALIVE_S,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
        check: CheckAddress = allow_all,
        proxy: ProxyServer | None = None,
        http2: bool = False,
    ) -> None:
        self.on_answers: Callable[[Sequence[Answered]], None] = lambda _answered: None
        self._timeout_s = timeout_s
        target = parse_target(url)
        excerpts = Excerpts(target.raw_path.decode("ascii"))
        network = partial(CheckedNetwork, lookup, check)
        through = proxy.for_httpcore() if proxy else None
        connect = partial(Connection, target, excerpts, tls or shared_tls(), keepalive_s, network, through, http2)
        self._connections = IdleConnections(connect, max_connections, keepalive_s)
        self._exchanges: dict[int, asyncio.Task[Answered]] = {}
        """By the identity of their attempts."""

    def send(self, request: HttpRequest, attempt: Attempt) -> None:
        """Start one attempt; it is among `on_answers` exactly once, later, unless it is cancelled."""
        loop = asyncio.get_running_loop()
        exchange = loop.create_task(self._exchange(request, attempt, loop.time()))
        self._exchanges[id(attempt)] = exchange
        # As a callback of the loop's, what `on_answers` raises goes to the loop's exception handler.
        exchange.add_done_callback(partial(self._on_done, id(attempt)))

    def cancel(self, attempt: Attempt) -> None:
        """Close its connection: it is not answered any more. Nothing happens when it was."""
        exchange = self._exchanges.pop(id(attempt), None)
        if exchange is not None:
            exchange.cancel()

    async def retire(self) -> None:
        """Close once everything in flight was answered and told; nothing more is sent."""
        while self._exchanges:
            await asyncio.wait(self._exchanges.values())
        await self.close()

    async def close(self) -> None:
        """Close every connection. Attempts that were not told yet never are."""
        exchanges = list(self._exchanges.values())
        self._exchanges.clear()
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.gather(*exchanges, return_exceptions=True)
        await self._connections.close()

    async def _exchange(self, request: HttpRequest, attempt: Attempt, started_at: float) -> Answered:
        connection = self._connections.take()
        try:
            async with asyncio.timeout_at(started_at + self._timeout_s):
                answer = await connection.exchange(request)
        except Exception as error:  # whatever it is: without an answer the delivery's lane would stand for ever
            answer = Answer(0, failure=failure_word(error), excerpt=failure_text(error))
        finally:
            self._connections.give_back(connection)
        return attempt, answer, asyncio.get_running_loop().time() - started_at

    def _on_done(self, identity: int, exchange: asyncio.Task[Answered]) -> None:
        if self._exchanges.get(identity) is exchange:
            del self._exchanges[identity]
            self.on_answers([exchange.result()])

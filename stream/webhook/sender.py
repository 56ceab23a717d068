"""Sends requests to one workflow over httpx: the general sender."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from functools import partial

from stream.core.model import Answer, HttpRequest
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
    that is the proxy's, since the proxy finds the workflow's. Raises ValueError, without the URL in it, when `url`
    cannot be used.
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
    ) -> None:
        self._timeout_s = timeout_s
        target = parse_target(url)
        excerpts = Excerpts(target.raw_path.decode("ascii"))
        network = partial(CheckedNetwork, lookup, check)
        through = proxy.for_httpcore() if proxy else None
        connect = partial(Connection, target, excerpts, tls or shared_tls(), keepalive_s, network, through)
        self._connections = IdleConnections(connect, max_connections, keepalive_s)
        self._attempts: set[Attempt] = set()

    def send(self, request: HttpRequest, on_answer: Callable[[Answer], None]) -> Attempt:
        """Start one attempt; `on_answer` is called exactly once, later, from the event loop."""
        attempt = Attempt(self._exchange(request, asyncio.get_running_loop().time()), on_answer)
        self._attempts.add(attempt)
        attempt.task.add_done_callback(lambda _: self._attempts.discard(attempt))
        return attempt

    async def close(self) -> None:
        """Close every connection. Attempts in flight are cancelled: they report no answer."""
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*(attempt.task for attempt in attempts), return_exceptions=True)
        await self._connections.close()

    async def _exchange(self, request: HttpRequest, started_at: float) -> Answer:
        connection = self._connections.take()
        try:
            async with asyncio.timeout_at(started_at + self._timeout_s):
                answer = await connection.exchange(request)
        except Exception as error:  # whatever it is: without an answer the delivery's lane would stand for ever
            answer = Answer(0, failure=failure_word(error), excerpt=failure_text(error))
        finally:
            self._connections.give_back(connection)
        answer.elapsed_s = asyncio.get_running_loop().time() - started_at
        return answer


class Attempt:
    """One request in flight; `ports.Cancel`."""

    def __init__(self, exchange: Coroutine[None, None, Answer], on_answer: Callable[[Answer], None]) -> None:
        self._on_answer = on_answer
        self._is_cancelled = False
        self.task = asyncio.get_running_loop().create_task(exchange)
        # As a callback of the loop's, what `on_answer` raises goes to the loop's exception handler.
        self.task.add_done_callback(self._report)

    def cancel(self) -> None:
        """Close the connection; no answer is reported any more."""
        self._is_cancelled = True
        self.task.cancel()

    def _report(self, task: asyncio.Task[Answer]) -> None:
        if not self._is_cancelled and not task.cancelled():
            self._on_answer(task.result())

"""Sends requests to one workflow over HTTP/1.1."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Collection, Sequence
from random import uniform
from time import monotonic
from typing import cast

from stream.http.connection import HttpConnection, IdlePool, failure
from stream.http.dialer import Dialer
from stream.http.egress import CheckAddress, allow_all
from stream.http.excerpt import Excerpts
from stream.http.head import HeadWriter
from stream.http.lookup import Lookup, system_lookup
from stream.http.plain_response import NothingPlain, PlainResponseParser
from stream.http.proxy import ProxyServer
from stream.http.target import parse_target
from stream.model.attempts import RESENT, Answer, HttpRequest
from stream.model.ports import Attempt, AttemptResult, OnResults

KEEPALIVE_S = 30.0
MAX_AGE_S = 300.0
LEAST_AGE = 0.75
"""Of the greatest age: connections that were opened together are not to be opened again together."""
RETIRE_LOOK_S = 0.05

SHORTEST_WAIT_S = 0.001
"""The resolution of uvloop's timers: a shorter wait would spin."""


class WebhookSender:
    """`ports.Sender` for one URL; to be used from one event loop.

    `timeout_s` bounds an attempt as a whole, from connect to the end of the answer. `max_connections` is how many
    connections are kept between requests; how many are in use at once is up to the caller. One that is older than about
    `max_connection_age_s` is closed once it is free, so that a host's new addresses are found. `tls` replaces the
    shared TLS settings. `lookup` finds a host's addresses; `check` may refuse one before it is connected to: with a
    `proxy` that is the proxy's, since the proxy finds the workflow's. Answers of success have no excerpt, unless
    `quotes_success`. Answers that came in one turn of the event loop are reported together at its end. Raises
    ValueError, without the URL in it, when `url` cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_connections: int = 64,
        keepalive_s: float = KEEPALIVE_S,
        max_connection_age_s: float = MAX_AGE_S,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
        check: CheckAddress = allow_all,
        proxy: ProxyServer | None = None,
        quotes_success: bool = False,
    ) -> None:
        target = parse_target(url)
        self._on_results: OnResults = _nobody
        self.glance = NothingPlain() if quotes_success else PlainResponseParser()
        self._excerpts = Excerpts(target.raw_path.decode("ascii"), of_success=quotes_success)
        self._heads = HeadWriter(target, proxy if target.scheme == "http" else None)
        self._max_age_s = max_connection_age_s
        self._dialer = Dialer(target, tls, timeout_s, lookup, check, proxy)
        self._connections: set[HttpConnection] = set()
        self._deadlines = Deadlines(timeout_s, self._connections, self._expire)
        self._idle = IdlePool(max_connections, min(keepalive_s, max_connection_age_s))
        self._answered: list[AttemptResult] = []
        self._all_closed: asyncio.Future[None] | None = None

    def send(self, request: HttpRequest, attempt: Attempt, on_results: OnResults) -> None:
        """Start one attempt; `on_results` gets its result exactly once, later, unless it is cancelled."""
        self._on_results = on_results
        try:
            head = self._heads.write(request)
        except ValueError as error:
            self._report(attempt, failure(error), 0.0)
            return
        if self._idle.stack:
            self._idle.stack.pop().send(attempt, head, request.body)
        else:
            self._open(attempt, head, request.body, monotonic())
        if not self._deadlines.is_set:
            self._deadlines.set()

    def cancel(self, attempt: Attempt) -> None:
        """Close its connection: its callback is not called. No effect once it was answered."""
        self._answered = [answered for answered in self._answered if answered[0] is not attempt]
        for connection in self._connections:
            if connection.attempt is attempt:
                connection.drop()
                break

    async def retire(self) -> None:
        """Close once everything in flight was answered and reported; nothing more is sent."""
        while self._answered or any(c.attempt is not None for c in self._connections):  # noqa: ASYNC110 - rare, and an event would cost every answer
            await asyncio.sleep(RETIRE_LOOK_S)
        await self.close()

    async def close(self) -> None:
        """Close every connection. Attempts that were not reported yet never are."""
        self._deadlines.close()
        self._idle.close()
        self._answered.clear()
        for connection in list(self._connections):
            connection.drop()
        await self._dialer.close()
        if self._connections:
            self._all_closed = self._all_closed or asyncio.get_running_loop().create_future()
            await self._all_closed

    # Called by connections.

    def on_answer(self, connection: HttpConnection, attempt: Attempt, answer: Answer) -> None:
        """An answer came, and the connection is free for the next request."""
        connection.idle_since = now = monotonic()
        if now < connection.retire_at:
            self._idle.add(connection)
        else:
            connection.drop()
        self._report(attempt, answer, now - connection.started_at)

    def on_end(self, connection: HttpConnection, attempt: Attempt, answer: Answer) -> None:
        """An answer came, or the reason why none will, and the connection is of no further use."""
        self._report(attempt, answer, monotonic() - connection.started_at)

    def on_stale(self, connection: HttpConnection, attempt: Attempt) -> None:
        """The server had closed the connection before the request came: it is sent once more, on a fresh one."""
        self._report(attempt, RESENT, monotonic() - connection.started_at)
        self._open(attempt, connection.head, connection.body, connection.started_at)

    def on_idle_end(self, connection: HttpConnection) -> None:
        """A connection that waited for a request is of no further use."""
        self._idle.discard(connection)

    def on_closed(self, connection: HttpConnection) -> None:
        """Nothing of the connection is left."""
        self._connections.discard(connection)
        if self._all_closed is not None and not self._connections:
            self._all_closed.set_result(None)
            self._all_closed = None

    # The rest.

    def _open(self, attempt: Attempt, head: bytes, body: bytes, started_at: float) -> None:
        connection = HttpConnection(self, self._excerpts, attempt, head, body, started_at)
        connection.retire_at = monotonic() + self._max_age_s * uniform(LEAST_AGE, 1)
        self._connections.add(connection)
        protocol = cast(asyncio.Protocol, connection)  # has its methods, and not its base: see HttpConnection
        connection.follow(asyncio.get_running_loop().create_task(self._dialer.open(protocol)))

    def _expire(self, connection: HttpConnection) -> None:
        attempt = connection.attempt
        connection.drop()
        self.on_end(connection, attempt, failure(TimeoutError()))

    def _report(self, attempt: Attempt, answer: Answer, elapsed_s: float) -> None:
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._tell)
        self._answered.append((attempt, answer, elapsed_s))

    def _tell(self) -> None:
        """The last that is done for these attempts: `on_results` may start the next ones, or raise."""
        answered, self._answered = self._answered, []
        if answered:
            self._on_results(answered)


def _nobody(_results: Sequence[AttemptResult]) -> None:
    """Before the first attempt there are no results."""


class Deadlines:
    """Calls `on_due` with each connection that still carries an attempt `timeout_s` after its start.

    All have the same timeout, so one timer, set for the oldest attempt, is enough: it goes off about once in
    `timeout_s`, however many attempts come and go, and looks at every connection. Set the timer
    (`set`) with each attempt.
    """

    def __init__(
        self, timeout_s: float, connections: Collection[HttpConnection], on_due: Callable[[HttpConnection], None]
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = connections
        self._on_due = on_due
        self._timer: asyncio.TimerHandle | None = None
        self.is_set = False

    def set(self) -> None:
        """Set the timer for the oldest attempt, if there is one."""
        started = [connection.started_at for connection in self._connections if connection.attempt is not None]
        if started:
            wait = max(SHORTEST_WAIT_S, min(started) + self._timeout_s - monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._go_off)
            self.is_set = True

    def close(self) -> None:
        """Stop the timer."""
        self.is_set = False
        if self._timer is not None:
            self._timer.cancel()

    def _go_off(self) -> None:
        self.is_set = False
        latest = monotonic() - self._timeout_s
        for connection in list(self._connections):
            if connection.attempt is not None and connection.started_at <= latest:
                self._on_due(connection)
        if not self.is_set:
            self.set()

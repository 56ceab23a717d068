"""Sends requests to one workflow over HTTP/1.1: the main sender."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from time import monotonic

from stream.core.model import Answer, HttpRequest
from stream.core.ports import Cancel
from stream.webhook.egress import CheckAddress, allow_all
from stream.webhook.excerpt import Excerpts
from stream.webhook.fast.attempt import Attempt
from stream.webhook.fast.connection import Connection, failure
from stream.webhook.fast.deadlines import Deadlines
from stream.webhook.fast.dialer import Dialer
from stream.webhook.fast.head import HeadWriter
from stream.webhook.fast.idle import Idle
from stream.webhook.fast.resolver import Lookup, system_lookup
from stream.webhook.target import parse_target

KEEPALIVE_S = 30.0


class FastSender:
    """`ports.Sender` for one URL; to be used from one event loop.

    `timeout_s` bounds an attempt as a whole, from connect to the end of the answer. `max_connections` is how many
    connections are kept between requests; how many are in use at once is up to the caller. `tls` replaces the shared
    TLS settings. `lookup` finds the host's addresses; `check` may refuse one before it is connected to. Answers of
    success have no excerpt. Raises ValueError, without the URL in it, when `url` cannot be used.
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
    ) -> None:
        target = parse_target(url)
        self._excerpts = Excerpts(target.raw_path.decode("ascii"))
        self._heads = HeadWriter(target)
        self._dialer = Dialer(target, tls, timeout_s, lookup, check)
        self._deadlines = Deadlines(timeout_s, self._expire)
        self._in_flight = self._deadlines.in_flight
        self._idle = Idle(max_connections, keepalive_s)
        self._connections: set[Connection] = set()
        self._all_closed: asyncio.Future[None] | None = None

    def send(self, request: HttpRequest, on_answer: Callable[[Answer], None]) -> Cancel:
        """Start one attempt; `on_answer` is called exactly once, later, from the event loop."""
        attempt = Attempt(self, request, on_answer, monotonic())
        self._in_flight[attempt] = None
        if not self._deadlines.is_set:
            self._deadlines.set()
        try:
            attempt.head = self._heads.write(request)
        except ValueError as error:
            asyncio.get_running_loop().call_soon(self._refuse, attempt, failure(error))
            return attempt
        if self._idle.stack:
            self._idle.stack.pop().send(attempt)
        else:
            self._open(attempt)
        return attempt

    async def close(self) -> None:
        """Close every connection. Attempts in flight are cancelled: they report no answer."""
        for attempt in list(self._in_flight):
            self.give_up(attempt)
        self._deadlines.close()
        self._idle.close()
        await self._dialer.close()
        if self._connections:
            self._all_closed = self._all_closed or asyncio.get_running_loop().create_future()
            await self._all_closed

    # Called by attempts.

    def give_up(self, attempt: Attempt) -> None:
        """Forget the attempt and close its connection, if it is not over."""
        if attempt in self._in_flight:
            del self._in_flight[attempt]
            if attempt.connection is not None:
                attempt.connection.drop()

    # Called by connections.

    def on_answer(self, connection: Connection, attempt: Attempt, answer: Answer) -> None:
        """An answer came, and the connection is free for the next request."""
        connection.idle_since = now = monotonic()
        self._idle.add(connection)
        self._report(attempt, answer, now)

    def on_end(self, attempt: Attempt, answer: Answer) -> None:
        """An answer came, or the reason why none will, and the connection is of no further use."""
        self._report(attempt, answer, monotonic())

    def on_stale(self, attempt: Attempt) -> None:
        """The server had closed the connection before the request came: it is sent on a fresh one."""
        self._open(attempt)

    def on_idle_end(self, connection: Connection) -> None:
        """A connection that waited for a request is of no further use."""
        self._idle.discard(connection)

    def on_closed(self, connection: Connection) -> None:
        """Nothing of the connection is left."""
        self._connections.discard(connection)
        if self._all_closed is not None and not self._connections:
            self._all_closed.set_result(None)
            self._all_closed = None

    # The rest.

    def _open(self, attempt: Attempt) -> None:
        connection = Connection(self, self._excerpts, attempt)
        self._connections.add(connection)
        connection.follow(asyncio.get_running_loop().create_task(self._dialer.open(connection)))

    def _expire(self, attempt: Attempt) -> None:
        if attempt.connection is not None:
            attempt.connection.drop()
        self.on_end(attempt, failure(TimeoutError()))

    def _refuse(self, attempt: Attempt, answer: Answer) -> None:
        if attempt in self._in_flight:
            self.on_end(attempt, answer)

    def _report(self, attempt: Attempt, answer: Answer, now: float) -> None:
        """The last that is done for an attempt: `on_answer` may start the next one, or raise."""
        del self._in_flight[attempt]
        answer.elapsed_s = now - attempt.started_at
        try:
            attempt.on_answer(answer)
        except Exception as error:  # the caller's; the connection may carry the next attempt already
            context = {"message": "The receiver of an answer failed.", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

"""One connection to a workflow: one request at a time, its answer read by callbacks."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol, cast

from stream.http.excerpt import Excerpts
from stream.http.plain_response import PlainResponseParser
from stream.http.reader import AnswerReader, ReadProgress
from stream.http.sockets import abort_unsent, round_trip_s, unread_bytes
from stream.http.translate import ClosedError, ProxyError, UnreadableError, failure_text, failure_word
from stream.model.attempts import Answer
from stream.model.ports import Attempt

JOINED_BODY_BYTES = 32 * 1024
"""Up to here a copy of the body is cheaper than a second buffer to write."""
STALE_WITHIN_S = (0.2, 1.0)
"""At least and at most how long after a request was sent the end of its connection may have crossed it on the way."""
PROXY_PASSWORD_WANTED = 407


class Pool(Protocol):
    """Owner of a connection, called back when its state changes."""

    glance: PlainResponseParser

    def on_answer(self, connection: HttpConnection, attempt: Attempt, answer: Answer) -> None:
        """An answer came, and the connection is free for the next request."""

    def on_end(self, connection: HttpConnection, attempt: Attempt, answer: Answer) -> None:
        """An answer came, or the reason why none will, and the connection is of no further use."""

    def on_stale(self, connection: HttpConnection, attempt: Attempt) -> None:
        """The server had closed the connection before the request came: it is to be sent on a fresh one."""

    def on_idle_end(self, connection: HttpConnection) -> None:
        """A connection that waited for a request is of no further use."""

    def on_closed(self, connection: HttpConnection) -> None:
        """Nothing of the connection is left."""


class _Unopened(asyncio.Transport):
    """Stands for the transport of a connection that has none yet."""

    def abort(self) -> None:
        """There is nothing to close."""


UNOPENED = _Unopened()


class HttpConnection:
    """Carries one attempt at a time. `attempt` is the one under way; None: it waits, or it is closed.

    Has the methods of an asyncio.Protocol without that base: as an heir of interpreted code it could not be compiled.
    """

    __slots__ = (
        "_dialling",
        "_excerpts",
        "_is_sending",
        "_pool",
        "_reader",
        "_sent_at",
        "_transport",
        "attempt",
        "body",
        "head",
        "idle_since",
        "retire_at",
        "started_at",
    )

    def __init__(
        self, pool: Pool, excerpts: Excerpts, attempt: Attempt, head: bytes, body: bytes, started_at: float
    ) -> None:
        self._pool = pool
        self._excerpts = excerpts
        self._transport: asyncio.Transport = UNOPENED
        self._dialling: asyncio.Task[None] | None = None
        # Set from the first byte of an answer that is not a plain one until its last.
        self._reader: AnswerReader | None = None
        self.attempt: Attempt | None = attempt
        self.head, self.body = head, body
        """The request of the last attempt."""
        self.started_at = started_at
        """When the last attempt was started."""
        self.idle_since = 0.0
        """When it last became free; 0 until it has carried a request."""
        self.retire_at = float("inf")
        """When it is to be closed, as soon as it is free."""
        # Of a request that is larger than the transport's buffer.
        self._is_sending = False
        self._sent_at = 0.0

    def send(self, attempt: Attempt, head: bytes, body: bytes) -> None:
        """Begin the next attempt."""
        self.attempt, self.head, self.body = attempt, head, body
        self.started_at = monotonic()
        self._write()

    def follow(self, dialling: asyncio.Task[None]) -> None:
        """Learn from the task that opens this connection when it fails."""
        self._dialling = dialling
        dialling.add_done_callback(self._on_dialled)

    def drop(self) -> None:
        """Close at once; nothing more is heard of the attempt."""
        if self._transport is UNOPENED:
            if self._dialling is not None:
                self._dialling.cancel()
        elif self.attempt is None:
            self._transport.abort()
        else:
            abort_unsent(self._transport)
        self.attempt = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what the connection was opened for."""
        self._transport = cast(asyncio.Transport, transport)
        if self.attempt is None:
            self._transport.abort()
        else:
            self._write()

    def data_received(self, chunk: bytes) -> None:
        """Nearly always this is the whole of a plain answer."""
        attempt, glance = self.attempt, self._pool.glance
        if attempt is None:
            self._drop_idle()
            return
        if self._reader is None:
            answer = glance.last_answer if chunk == glance.last_chunk else glance.look(chunk)
            if answer is not None and not self._transport.get_write_buffer_size():
                self.attempt = None
                self._pool.on_answer(self, attempt, answer)
                return
            self._reader = AnswerReader(self._excerpts.bytes_needed)
        self._read(attempt, self._reader, chunk)

    def pause_writing(self) -> None:
        """More waits to be sent than the transport takes without complaint."""
        self._is_sending = True

    def resume_writing(self) -> None:
        """Nearly all of it was sent."""
        self._is_sending, self._sent_at = False, monotonic()

    def eof_received(self) -> None:
        """The server has nothing more to say."""
        self._on_last(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        if error is not None and self.attempt is not None:
            self._hear_last_words()
        self._on_last(error)
        self._pool.on_closed(self)

    # The rest.

    def _write(self) -> None:
        if len(self.body) <= JOINED_BODY_BYTES:
            self._transport.write(self.head + self.body)
        else:
            self._transport.writelines((self.head, self.body))

    def _read(self, attempt: Attempt, reader: AnswerReader, chunk: bytes) -> None:
        reader.feed(chunk)
        if reader.progress is not ReadProgress.READING:
            self._conclude(attempt, reader, UnreadableError())

    def _conclude(self, attempt: Attempt, reader: AnswerReader, fault: Exception) -> None:
        """The answer is over: it is complete, or `fault` is why not."""
        self.attempt = self._reader = None
        head = reader.head
        if reader.progress is not ReadProgress.COMPLETE or head is None:
            self._end(attempt, failure(fault))
            return
        is_quoted = head.status >= 300 or self._excerpts.of_success
        excerpt = self._excerpts.cut(reader.body) if is_quoted else ""
        answer = Answer(head.status, retry_after=head.retry_after, date=head.date, excerpt=excerpt)
        if reader.is_reusable and not self._transport.get_write_buffer_size():
            self._pool.on_answer(self, attempt, answer)
        else:
            self._end(attempt, answer)

    def _end(self, attempt: Attempt, answer: Answer) -> None:
        self.drop()
        self._pool.on_end(self, attempt, answer)

    def _on_last(self, error: Exception | None) -> None:
        """The server said its last, orderly or not."""
        attempt, reader = self.attempt, self._reader
        if attempt is None:
            self._drop_idle()
        elif reader is not None:
            if error is None:
                reader.end()
            self._conclude(attempt, reader, error or ClosedError())
        elif self._is_stale():
            self.drop()
            self._pool.on_stale(self, attempt)
        else:
            self.attempt = None
            self._end(attempt, failure(error or ClosedError()))

    def _is_stale(self) -> bool:
        """The server had probably closed the idle connection before the request reached it."""
        if not self.idle_since:
            return False
        least, most = STALE_WITHIN_S
        within = min(max(least, 2 * round_trip_s(self._transport)), most)
        return self._is_sending or monotonic() - max(self.started_at, self._sent_at) <= within

    def _hear_last_words(self) -> None:
        rest = unread_bytes(self._transport)
        if rest:
            self._reader = self._reader or AnswerReader(self._excerpts.bytes_needed)
            self._reader.feed(rest)
            self._reader.is_reusable = False

    def _drop_idle(self) -> None:
        self._pool.on_idle_end(self)
        self.drop()

    def _on_dialled(self, dialling: asyncio.Task[None]) -> None:
        self._dialling = None
        attempt = self.attempt
        if dialling.cancelled():
            self._pool.on_closed(self)
        elif (error := dialling.exception()) is not None:
            self._pool.on_closed(self)
            if attempt is not None:
                self._end(attempt, failure(error))


def failure(error: BaseException) -> Answer:
    """The answer that says why there is none; a proxy that wants a password has answered."""
    if isinstance(error, ProxyError) and error.status == PROXY_PASSWORD_WANTED:
        return Answer(PROXY_PASSWORD_WANTED)
    return Answer(0, failure=failure_word(error), excerpt=failure_text(error))


class IdlePool:
    """Connections between requests, the most recently used one on top.

    At most `max_idle` wait, each for at most `keepalive_s`; one timer sees to that.
    """

    def __init__(self, max_idle: int, keepalive_s: float) -> None:
        self._max_idle = max_idle
        self._keepalive_s = keepalive_s
        self._timer: asyncio.TimerHandle | None = None
        # Invariant: idle longest first.
        self.stack: list[HttpConnection] = []

    def add(self, connection: HttpConnection) -> None:
        """Its request is over."""
        if len(self.stack) >= self._max_idle:
            connection.drop()
            return
        self.stack.append(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._keepalive_s, self._expire)

    def discard(self, connection: HttpConnection) -> None:
        """It is closed; it need not be here."""
        if connection in self.stack:
            self.stack.remove(connection)

    def close(self) -> None:
        """Close all of them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.stack:
            self.stack.pop().drop()

    def _expire(self) -> None:
        latest = monotonic() - self._keepalive_s
        while self.stack and self.stack[0].idle_since <= latest:
            self.stack.pop(0).drop()
        self._timer = None
        if self.stack:
            wait = self.stack[0].idle_since - latest
            self._timer = asyncio.get_running_loop().call_later(wait, self._expire)

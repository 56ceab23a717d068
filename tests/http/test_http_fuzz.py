"""Random answers in random pieces: one result, the right one, and never an exception."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from assertions import HANG_S
from conformance_server import OK
from http_support import LOOPS, REQUEST, ask, run_on
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.http.connection import HttpConnection
from stream.http.excerpt import Excerpts
from stream.http.plain_response import PlainResponseParser
from stream.http.reader import AnswerReader, ReadProgress
from stream.http.sender import WebhookSender
from stream.model.attempts import Answer
from stream.model.ports import Attempt


class OwnEnd(asyncio.Transport):
    """The transport of a connection whose server is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        """Keep what was sent."""
        self.written += data

    def get_write_buffer_size(self) -> int:
        """Everything is on its way at once."""
        return 0

    def abort(self) -> None:
        """Keep that it was closed."""
        self.is_aborted = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """There is no socket below; TLS is what keeps others from looking for one."""
        return self if name == "ssl_object" else default


class OneConnection:
    """The pool of one connection, which keeps all that it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Answer | None]] = []
        self.glance = PlainResponseParser()
        self.transport = OwnEnd()
        self.connection = HttpConnection(self, Excerpts("/"), "attempt", b"head", REQUEST.body, 0.0)
        self.connection.connection_made(self.transport)

    def on_answer(self, _connection: HttpConnection, _attempt: Attempt, answer: Answer) -> None:
        self.told.append(("answer", answer))

    def on_end(self, _connection: HttpConnection, _attempt: Attempt, answer: Answer) -> None:
        self.told.append(("end", answer))

    def on_stale(self, _connection: HttpConnection, _attempt: Attempt) -> None:
        self.told.append(("stale", None))

    def on_idle_end(self, _connection: HttpConnection) -> None:
        pass

    def on_closed(self, _connection: HttpConnection) -> None:
        pass


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, str, bool]:
    """A valid answer: its bytes, its status, its body as text, and whether its connection is kept."""
    status = draw(st.integers(200, 599))
    body = draw(st.text("abcdefgh \n", max_size=400)).encode()
    lines = draw(st.lists(st.sampled_from(["Server: x", "X-Empty:", "Date: now", "Connection: close"]), max_size=4))
    interim = draw(st.sampled_from(["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n"]))
    framing = draw(st.sampled_from(["length", "chunks", "end"]))
    if status in (204, 304):
        body, framing = b"", "none"
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif framing == "chunks":
        lines.append("Transfer-Encoding: chunked")
    head = interim + "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Reason", *lines, ""))
    is_kept = framing != "end" and "Connection: close" not in lines
    return head.encode() + (draw(chunked(body)) if framing == "chunks" else body), status, body.decode(), is_kept


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks, with a trailer or without."""
    cuts = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=4))})
    chunks = [body[a:b] for a, b in pairwise(cuts)]
    trailer = draw(st.sampled_from([b"", b"X-Sum: 1\r\n"]))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at the given places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 2000), max_size=12)


@pytest.mark.fuzz
@given(answers(), CUTS)
def test_a_valid_answer_is_understood_however_it_is_cut(valid: tuple[bytes, int, str, bool], cuts: list[int]) -> None:
    """The pieces in which it comes make no difference."""
    data, status, body, is_kept = valid
    pool = OneConnection()
    for piece in split(data, cuts):
        pool.connection.data_received(piece)
    if not pool.told:
        pool.connection.eof_received()
    pool.connection.connection_lost(None)
    [(what, answer)] = pool.told
    assert answer is not None
    assert (answer.status, answer.failure) == (status, "")
    assert answer.excerpt == ("" if status < 300 else Excerpts("/").cut(body.encode()))
    assert what == ("answer" if is_kept else "end")
    assert pool.transport.written.startswith(b"head")


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 ",
        b"Content-Length: 2\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"ok",
        b"0\r\n\r\n",
        b"2\r\nok\r\n",
        OK,
        b"\x00",
        b"H",
    ]
)
NOISE = st.lists(PIECES | st.binary(max_size=8), max_size=8).map(b"".join)


@pytest.mark.fuzz
@given(NOISE, CUTS, st.sampled_from([None, ConnectionResetError()]))
def test_anything_at_all_has_exactly_one_result(noise: bytes, cuts: list[int], error: Exception | None) -> None:
    """Whatever comes before the end of the connection; after it is closed nothing is told any more."""
    pool = OneConnection()
    for piece in split(noise, cuts):
        pool.connection.data_received(piece)
    if error is None:
        pool.connection.eof_received()
    pool.connection.connection_lost(error)
    [(_, answer)] = pool.told
    assert answer is not None
    assert answer.failure in ("reset", "unreadable") or 200 <= answer.status <= 999
    assert pool.transport.is_aborted


@pytest.mark.fuzz
@given(NOISE, st.booleans())
@example(OK, False)
@example(OK + b"H", False)
@example(OK + b"\r\n", False)
def test_a_glance_never_says_more_than_a_reader_would(noise: bytes, follows_another: bool) -> None:
    """What is taken for a plain answer is one: complete, a success, alone, and its connection lives on."""
    glance = PlainResponseParser()
    if follows_another:
        assert glance.look(OK) == Answer(200)
    answer = glance.last_answer if noise == glance.last_chunk else glance.look(noise)
    reader = AnswerReader(0)
    reader.feed(noise)
    is_plain = reader.progress is ReadProgress.COMPLETE and reader.is_reusable and 200 <= reader.status < 300
    if answer is not None:
        assert (is_plain, Answer(reader.status)) == (True, answer)
    else:
        # Interim answers are left to the reader.
        assert not is_plain or b" 100 Continue" in noise


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=50)  # it opens sockets, which takes what it takes
@given(noise=st.lists(NOISE, min_size=1, max_size=4))
def test_a_server_that_says_anything_gives_one_answer_per_request(loop: str, noise: list[bytes]) -> None:
    """Over real sockets: the server says something, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop() if left else OK)
        writer.close()

    left = list(noise)

    async def main() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sender = WebhookSender(f"http://127.0.0.1:{port}/", timeout_s=HANG_S)
            answers = [await ask(sender) for _ in noise]
            await sender.close()
        assert {answer.failure for answer in answers} <= {"", "reset", "unreadable"}

    run_on(loop, main())

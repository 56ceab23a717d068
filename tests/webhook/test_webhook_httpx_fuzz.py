"""Random answers to the general sender: one result each, and never an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.model import Answer, HttpRequest
from stream.webhook.connection import Connection
from stream.webhook.excerpt import Excerpts
from stream.webhook.network import CheckedNetwork, WatchedStream
from stream.webhook.tls import shared_tls
from stream.webhook.translate import failure_text, failure_word

REQUEST = HttpRequest([("content-type", "application/json")], b"{}")
PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.0 ",
        b"Content-Length: 2\r\n",
        b"Content-Length: 99999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Connection: close\r\n",
        *(b"\r\n", b"\r\n\r\n", b"ok", b"2\r\nok\r\n", b"0\r\n\r\n", b"ffffffff\r\n", b"\x00", b"\x1b[31m"),
        b"x" * 70_000,
    ]
)
CHUNKS = st.lists(st.lists(PIECES | st.binary(max_size=6), min_size=1, max_size=4).map(b"".join), max_size=4)


class Scripted(httpcore.AsyncNetworkStream):
    """A server that says these things whatever it is told, and then hangs up or breaks off."""

    def __init__(self, chunks: list[bytes], is_broken: bool) -> None:
        self._chunks = iter(chunks)
        self._is_broken = is_broken

    async def read(self, *_: Any, **__: Any) -> bytes:
        chunk = next(self._chunks, None)
        if chunk is None and self._is_broken:
            raise httpcore.ReadError
        return chunk or b""

    async def write(self, *_: Any, **__: Any) -> None:
        pass

    async def aclose(self) -> None:
        pass

    def get_extra_info(self, info: str) -> Any:
        return None


class ScriptedNetwork(CheckedNetwork):
    """Connects to such servers, one after the other."""

    def __init__(self, servers: Iterator[Scripted]) -> None:
        super().__init__(lambda *_: asyncio.sleep(0, []), lambda _address: None)
        self._servers = servers

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.connects += 1
        return WatchedStream(next(self._servers), self)


async def exchange(servers: Iterator[Scripted]) -> Answer:
    """What the sender makes of it."""
    excerpts = Excerpts("/hooks/5f3c9a77e1d24b60")
    target = httpx.URL("http://workflow.test/hooks/5f3c9a77e1d24b60")
    connection = Connection(target, excerpts, shared_tls(), 30, lambda: ScriptedNetwork(servers), None)
    try:
        return await connection.exchange(REQUEST)
    except httpx.TransportError as error:  # any other would be a surprise, though the sender survives it
        return Answer(0, failure=failure_word(error), excerpt=failure_text(error))
    finally:
        await connection.aclose()


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples."""
    with asyncio.Runner() as found:
        yield found


@pytest.mark.fuzz
@given(CHUNKS, st.booleans())
def test_anything_at_all_has_exactly_one_result(runner: asyncio.Runner, chunks: list[bytes], is_broken: bool) -> None:
    """Whatever comes: a status or a word for why there is none, and a text that prints on one line."""
    answer = runner.run(exchange(Scripted(chunks, is_broken) for _ in range(3)))
    assert answer.failure == "reset" or 100 <= answer.status <= 999
    assert len(answer.excerpt) <= 4 * 256
    assert answer.excerpt.isprintable()

"""An endpoint that answers 200, after a while if it is told so, and remembers when each event came if it is told so.

`python tests/bench/bench_receiver.py --latency 0.02 --record`: prints its port, then serves until it is killed.
`/status` answers with the number of requests, `/arrivals` with the time of each message id, `/hang` never.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import httptools
import orjson
import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MESSAGE_ID = re.compile(rb'"messageId":"([^"]*)"')


class Counts:
    """What all connections have seen."""

    def __init__(self, latency_s: float, is_recording: bool) -> None:
        self.latency_s = latency_s
        self.is_recording = is_recording
        self.requests = 0
        self.arrivals: dict[str, float] = {}
        """When each message id first came; monotonic seconds, which are the same in every process of a machine."""

    def count(self, body: list[bytes]) -> None:
        """One more event."""
        self.requests += 1
        if self.is_recording and (found := MESSAGE_ID.search(b"".join(body))):
            self.arrivals.setdefault(found[1].decode(), time.monotonic())


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._path = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or of several."""
        self._parser.feed_data(data)

    # Called by the parser.

    def on_url(self, url: bytes) -> None:
        """The path of a request that begins."""
        self._path, self._body = url, []

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        if self._counts.is_recording:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        special: dict[bytes, Callable[[], bytes]] = {
            b"/status": lambda: str(self._counts.requests).encode(),
            b"/arrivals": lambda: orjson.dumps(self._counts.arrivals),
        }
        if told := special.get(self._path):
            body = told()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        self._counts.count(self._body)
        if self._path == b"/hang":
            return
        if self._counts.latency_s:
            asyncio.get_running_loop().call_later(self._counts.latency_s, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(OK)


async def serve(latency_s: float, is_recording: bool, certificate: str | None) -> None:
    """Serve on a free port of the loopback, which is printed, until killed."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    counts = Counts(latency_s, is_recording)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Answering, counts), "127.0.0.1", 0, ssl=tls, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """The command line; ends with its parent, whose end of standard input closes then."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--record", action="store_true", help="remember when each message id came")
    parser.add_argument("--certificate", help="serve over TLS with this certificate and key")
    given = parser.parse_args()

    async def until_orphaned() -> None:
        serving = asyncio.create_task(serve(given.latency, given.record, given.certificate))
        await asyncio.to_thread(sys.stdin.read)
        serving.cancel()

    uvloop.run(until_orphaned())


if __name__ == "__main__":
    main()

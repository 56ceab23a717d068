"""Reading a status, and saying why there is nothing to read."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from support.watched import WALL, Watched, stats_of, text_of

from stream.model.errors import ConfigError
from stream.telemetry.status.report import plain_tree
from stream.top.fetch import NoAnswerError, endpoint, look


@pytest.fixture
def serve() -> Iterator[Callable[[int, bytes], str]]:
    """Serves one answer to everything; the address."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """No log."""

        server = HTTPServer(("127.0.0.1", 0), Answering)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_status_is_read_as_it_was(serve: Callable[[int, bytes], str]) -> None:
    """Through JSON and back, times to the millisecond; keys of a later version are passed over."""
    stats = stats_of()
    stats.workflows["orders"].failing_because = "it answers 503"
    stats.workflows["orders"].gate_closed_since = WALL - 5.25
    status = Watched(stats).at(0)
    shown = json.loads(text_of(status)) | {"of_a_later_version": [{"at": "2026-11-24T05:30:17Z"}]}
    read = look(serve(200, json.dumps(shown).encode()))
    assert read.workflows[0].since == WALL - 5.25
    assert plain_tree(read) == plain_tree(status)


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, b"", "it answers with status 503"),
        (200, b"# TYPE up gauge\nup 1\n", "its answer is not a status of tray-stream"),
        (200, b"{}", "its answer is not a status of tray-stream"),
        (200, b'{"at": 1e400}', "its answer is not a status of tray-stream"),
        (200, b'{"at": "soon"}', "its answer is not a status of tray-stream"),
        (200, b"[" * 100_000, "its answer is not a status of tray-stream"),
    ],
)
def test_an_answer_that_is_none(serve: Callable[[int, bytes], str], status: int, body: bytes, why: str) -> None:
    """Each is told in a few words."""
    with pytest.raises(NoAnswerError, match=why):
        look(serve(status, body))


def test_nobody_there() -> None:
    """A port without a listener, and a host without a name."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match="connection refused"):
            look(f"http://127.0.0.1:{taken.getsockname()[1]}/status.json")
    with pytest.raises(NoAnswerError, match="its host name is not known"):
        look("http://no-such-host.invalid/status.json")


def test_addresses() -> None:
    """`host:port` is enough; another scheme, or none at all, is refused."""
    assert endpoint("127.0.0.1:9464") == "http://127.0.0.1:9464/metrics"
    assert endpoint("https://tray.example.com/") == "https://tray.example.com/metrics"
    assert endpoint("http://127.0.0.1:9464/metrics", "/status.json") == "http://127.0.0.1:9464/status.json"
    assert endpoint("http://[::1]:9464/other") == "http://[::1]:9464/other"
    for wrong in ("file:///etc/passwd", "http://", "http://host:0", "http://host:port"):
        with pytest.raises(ConfigError, match="is not an address"):
            endpoint(wrong)

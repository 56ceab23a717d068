"""Reading an endpoint, and saying why there is nothing to read."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from watch_support import stats_of, text_of

from stream.model.errors import ConfigError
from stream.top.fetch import NoAnswerError, endpoint
from stream.top.scrape import Scraper


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


def test_a_scrape_has_the_time_of_both_clocks(serve: Callable[[int, bytes], str]) -> None:
    """And every sample."""
    stats = stats_of()
    stats.received["seg", "track"] = 5
    snapshot = Scraper(serve(200, text_of(stats).encode()), lambda: 3.0, lambda: 4.0).look()
    assert (snapshot.at, snapshot.wall) == (3.0, 4.0)
    assert snapshot.total("tray_events_received_total", group="tray", type="track") == 5


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (503, b"", "it answers with status 503"),
        (200, b"{not metrics", "its answer is not in Prometheus' format"),
        (200, b"# TYPE up gauge\nup 1\n", "its answer has no metrics of tray-stream"),
    ],
)
def test_an_answer_that_is_none(serve: Callable[[int, bytes], str], status: int, body: bytes, why: str) -> None:
    """Each is told in a few words."""
    with pytest.raises(NoAnswerError, match=why):
        Scraper(serve(status, body)).look()


def test_nobody_there() -> None:
    """A port without a listener, and a host without a name."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match="connection refused"):
            Scraper(f"http://127.0.0.1:{taken.getsockname()[1]}/metrics").look()
    with pytest.raises(NoAnswerError, match="its host name is not known"):
        Scraper("http://no-such-host.invalid/metrics").look()


def test_addresses() -> None:
    """`host:port` is enough; another scheme, or none at all, is refused."""
    assert endpoint("127.0.0.1:9464") == "http://127.0.0.1:9464/metrics"
    assert endpoint("https://tray.example.com/") == "https://tray.example.com/metrics"
    assert endpoint("http://[::1]:9464/other") == "http://[::1]:9464/other"
    for wrong in ("file:///etc/passwd", "http://", "http://host:0", "http://host:port"):
        with pytest.raises(ConfigError, match="is not an address"):
            endpoint(wrong)

"""The endpoint over real sockets, and the health that it tells."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from assertions import HANG_S, every
from prometheus_client import CollectorRegistry, Gauge

from stream.model.errors import ConfigError
from stream.model.held import Json
from stream.telemetry.health import Exposed, ExposedProcess, Health
from stream.telemetry.server import MAX_CONNECTIONS, MAX_REQUEST_BYTES, TelemetryServer
from stream.telemetry.status.report import ProcessStatus


@dataclass
class FixedClock:
    """Time that moves when a test says so."""

    at: float = 1000.0

    def monotonic(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


@dataclass
class Lines:
    """A journal that remembers."""

    written: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def info(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("info", sentence, fields))

    def warning(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("warning", sentence, fields))

    def error(self, sentence: str, /, **fields: object) -> None:
        self.written.append(("error", sentence, fields))


@dataclass
class Endpoint:
    """A running server and what it is wired to."""

    clock: FixedClock
    lines: Lines
    health: Health
    registry: CollectorRegistry
    exposed: Exposed
    server: TelemetryServer
    held: list[Json | None]
    """What the process holds; its only entry may be replaced."""
    status: list[ProcessStatus | None]
    """Likewise its status."""

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, http.client.HTTPResponse]:
        """Status, body and the response itself."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=HANG_S)
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body, response

    def raw(self, sent: bytes) -> bytes:
        """Everything that comes back for some bytes."""
        with self.connect() as client:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=HANG_S)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A server on a free port."""
    clock, lines, registry = FixedClock(), Lines(), CollectorRegistry()
    Gauge("tray_answer", "The answer.", registry=registry).set(42)
    health = Health(clock)
    held: list[Json | None] = [{"total": 0}]
    status: list[ProcessStatus | None] = [None]
    exposed = ExposedProcess(registry, health, clock, lambda: held[0], lambda: status[0])
    server = TelemetryServer("127.0.0.1:0", exposed, clock, lines)
    server.start()
    yield Endpoint(clock, lines, health, registry, exposed, server, held, status)
    server.close()


def test_metrics_are_served_as_text(endpoint: Endpoint) -> None:
    """What Prometheus reads, with the type it expects."""
    status, body, response = endpoint.ask("/metrics?x=1")
    assert status == 200
    assert "tray_answer 42.0" in body
    assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert int(response.getheader("Content-Length") or 0) == len(body)


def test_what_is_held_is_served_as_json(endpoint: Endpoint) -> None:
    """With the version of its form; 503 while the process cannot say."""
    status, body, response = endpoint.ask("/held.json")
    assert (status, json.loads(body)) == (200, {"schema_version": 1, "total": 0})
    assert response.getheader("Content-Type") == "application/json"
    endpoint.held[0] = None
    assert endpoint.ask("/held.json")[:2] == (503, "The event loop does not answer.\n")


def test_the_status_is_served_as_json_and_as_a_page(endpoint: Endpoint) -> None:
    """503 before there is one; afterwards the last one there was, even if the process cannot say any more."""
    assert endpoint.ask("/status.json")[:2] == (503, "The event loop does not answer.\n")
    assert endpoint.ask("/")[0] == 503
    endpoint.status[0] = ProcessStatus(1000.0, "1.2.3", 0, 0, 0, 0)
    status, body, response = endpoint.ask("/status.json")
    assert (status, response.getheader("Content-Type")) == (200, "application/json")
    assert json.loads(body)["schema_version"] == 1
    endpoint.status[0], endpoint.clock.at = None, 1042.0
    status, body, response = endpoint.ask("/?x=1")
    assert (status, response.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert "this is how it was 42s ago" in body
    policy = response.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.getheader("Cache-Control") == "no-store"


def test_a_hundred_clients_at_once_get_the_same_bytes(endpoint: Endpoint) -> None:
    """They are made once for all."""
    endpoint.status[0] = ProcessStatus(1000.0, "1.2.3", 0, 0, 0, 0)
    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(lambda number: endpoint.ask(("/status.json", "/")[number % 2])[:2], range(200)))
    assert len(set(answers)) == 2
    assert every(status == 200 for status, _ in answers)


def test_head_is_get_without_the_body(endpoint: Endpoint) -> None:
    """The length is that of the body that GET would send."""
    status, body, response = endpoint.ask("/metrics", "HEAD")
    assert (status, body) == (200, "")
    assert int(response.getheader("Content-Length") or 0) > 0


def test_unknown_paths_and_verbs_are_refused(endpoint: Endpoint) -> None:
    """404 names what there is, 405 what is allowed, and neither names the software below."""
    assert endpoint.ask("/elsewhere")[0] == 404
    status, _, response = endpoint.ask("/metrics", "POST")
    assert (status, response.getheader("Allow")) == (405, "GET, HEAD")
    assert endpoint.ask("/metrics", "BREW")[0] == 501
    assert "python" not in (response.getheader("Server") or "").lower()


def test_health_follows_the_heartbeats(endpoint: Endpoint) -> None:
    """Fresh is healthy; one overdue heartbeat is named; one that was taken back is not missed."""
    endpoint.health.beat("loop")
    endpoint.health.beat("kafka")
    endpoint.clock.at += 30
    assert endpoint.ask("/healthz")[:2] == (200, "ok\n")
    endpoint.health.beat("loop")
    endpoint.clock.at += 12
    assert endpoint.ask("/healthz")[:2] == (503, "No sign of life from kafka for 42 s.\n")
    assert endpoint.health.stale(endpoint.clock.at)
    endpoint.health.forget("kafka")
    assert endpoint.ask("/healthz")[:2] == (200, "ok\n")


def test_ready_is_joined_and_not_stopping(endpoint: Endpoint) -> None:
    """Ready from the first join until the end."""
    assert endpoint.ask("/readyz")[:2] == (503, "No consumer group joined yet.\n")
    endpoint.health.joined()
    assert endpoint.ask("/readyz")[:2] == (200, "ok\n")
    assert endpoint.health.ready
    endpoint.health.stopping()
    assert endpoint.ask("/readyz")[:2] == (503, "Stopping.\n")
    assert not endpoint.health.ready


def test_a_request_without_end_is_cut_off(endpoint: Endpoint) -> None:
    """Only so many bytes of a request are read, in one line or in many."""
    assert endpoint.raw(b"GET /healthz HTTP/1.0\r\n" + b"X-A: b\r\n" * 4000).startswith(b"HTTP/1.0 431")
    assert endpoint.raw(b"GET /" + b"a" * (MAX_REQUEST_BYTES - 5)).startswith(b"Not here")


def test_garbage_is_answered_in_plain_text(endpoint: Endpoint) -> None:
    """Not HTTP: refused, and the server goes on."""
    answer = endpoint.raw(b"GET /healthz HTTP/x.y\r\n\r\n")
    assert b"Bad request version" in answer  # below a status line from Python 3.14 on
    assert endpoint.ask("/healthz")[0] == 200


def test_connections_are_few_and_do_not_live_long(endpoint: Endpoint) -> None:
    """For one more than there is room for the oldest has to go; time ends the others."""
    silent = [endpoint.connect() for _ in range(MAX_CONNECTIONS + 1)]
    assert silent[0].recv(1) == b""
    endpoint.clock.at += 60
    assert [client.recv(1) for client in silent] == [b""] * len(silent)
    for client in silent:
        client.close()
    assert endpoint.ask("/healthz")[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nX-A: "])
def test_unfinished_requests_do_not_keep_probes_out(endpoint: Endpoint, sent: bytes) -> None:
    """Three times as many as there is room for; each probe among them is answered."""
    unfinished = []
    for _ in range(3 * MAX_CONNECTIONS):
        client = endpoint.connect()
        client.sendall(sent)
        unfinished.append(client)
        if len(unfinished) % 8 == 0:
            assert endpoint.ask("/healthz")[:2] == (200, "ok\n")
    assert unfinished[0].recv(1) == b""
    for client in unfinished:
        client.close()


def test_slow_readers_do_not_keep_probes_out(endpoint: Endpoint) -> None:
    """Nor do answers that nobody reads; an unfinished request is dropped before one that is being answered."""
    large = Gauge("tray_large", "Large.", ["label"], registry=endpoint.registry)
    for number in range(2_000):
        large.labels("x" * 5_000 + str(number))
    readers = []
    for _ in range(MAX_CONNECTIONS - 1):
        client = endpoint.connect()
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        client.recv(1)
        readers.append(client)
    with endpoint.connect() as unfinished:
        for _ in range(2):
            assert endpoint.ask("/healthz")[:2] == (200, "ok\n")
        assert unfinished.recv(1) == b""
    more = [endpoint.connect() for _ in range(3)]
    for client in more:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        client.recv(1)
    assert endpoint.ask("/healthz")[:2] == (200, "ok\n")
    for client in (*readers, *more):
        client.close()


def test_a_fault_of_our_own_is_told_and_not_fatal(endpoint: Endpoint) -> None:
    """A collector that raises closes its connection; the next request is served."""

    class Broken:
        def collect(self) -> Iterator[None]:
            raise LookupError

    endpoint.registry.register(Broken())  # type: ignore[arg-type]  # raises before it gives anything
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        endpoint.ask("/metrics")
    assert endpoint.ask("/healthz")[0] == 200
    assert endpoint.lines.written == [("error", "The metrics endpoint could not answer.", {"error": "LookupError"})]


def test_a_port_in_use_is_a_settings_error(endpoint: Endpoint) -> None:
    """It names the port and the way out."""
    port = endpoint.server.port
    with pytest.raises(ConfigError) as caught:
        TelemetryServer(f"127.0.0.1:{port}", endpoint.exposed, endpoint.clock, endpoint.lines)
    assert str(caught.value) == (
        f"http.listen: port {port} is already in use. Stop the program that uses it, or set another port."
    )


@pytest.mark.parametrize("listen", ["9464", "localhost", "localhost:", "localhost:http", "127.0.0.1:70000", ""])
def test_an_address_that_is_none_is_a_settings_error(endpoint: Endpoint, listen: str) -> None:
    """It says how one is written."""
    with pytest.raises(ConfigError, match=r"http\.listen: .* is not host:port"):
        TelemetryServer(listen, endpoint.exposed, endpoint.clock, endpoint.lines)


def test_an_address_of_another_machine_is_a_settings_error(endpoint: Endpoint) -> None:
    """192.0.2.0/24 belongs to nobody."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:9464"):
        TelemetryServer("192.0.2.1:9464", endpoint.exposed, endpoint.clock, endpoint.lines)


def test_a_server_that_was_never_started_closes(endpoint: Endpoint) -> None:
    """And its port is free at once."""
    server = TelemetryServer("127.0.0.1:0", endpoint.exposed, endpoint.clock, endpoint.lines)
    port = server.port
    server.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def test_it_answers_while_the_main_thread_is_busy(endpoint: Endpoint) -> None:
    """The request is sent and answered while this thread never yields to a loop."""
    with endpoint.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        give_up_at = time.monotonic() + HANG_S
        answer = b""
        client.setblocking(False)
        while b"ok\n" not in answer and time.monotonic() < give_up_at:
            try:
                answer += client.recv(4096)
            except BlockingIOError:
                continue
    assert answer.endswith(b"ok\n")

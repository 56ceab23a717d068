"""The TCP proxy: a healthy line passes everything, and each toxic does what it says."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from threading import Thread

import pytest
from assertions import HANG_S

from support.tcp_proxy import TcpProxy
from support.toxics import Flow, Toxics

SIZE = 300_000


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture
def proxy(echo: int) -> Iterator[TcpProxy]:
    """A proxy before it."""
    with TcpProxy(echo) as made:
        yield made


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while got := connection.recv(65_536):
                connection.sendall(got)
        except OSError:
            return


def ask(proxy: TcpProxy, body: bytes, timeout_s: float = 10.0) -> bytes:
    """Send, and read back as much, or what comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout_s) as connection:
        connection.sendall(body)
        return read(connection, len(body))


def read(connection: socket.socket, size: int) -> bytes:
    """Up to `size` bytes, fewer when the connection ends before."""
    got = b""
    while len(got) < size and (more := connection.recv(65_536)):
        got += more
    return got


def test_a_healthy_line_passes_everything(proxy: TcpProxy) -> None:
    """Byte for byte, in both directions."""
    body = bytes(n % 251 for n in range(SIZE))
    assert ask(proxy, body) == body
    assert proxy.connections_made == 1


def test_cut_to_pieces_all_arrives(proxy: TcpProxy) -> None:
    """The slicer changes where the pieces end, and nothing else."""
    proxy.set(Toxics(slice_bytes=7), Toxics(slice_bytes=5))
    body = bytes(n % 251 for n in range(10_000))
    assert ask(proxy, body) == body


def test_latency_and_bandwidth_take_their_time(proxy: TcpProxy) -> None:
    """The answer takes as long as both directions together."""
    proxy.set(up=Toxics(latency_s=0.1), down=Toxics(bytes_per_s=100_000))
    began = time.monotonic()
    assert ask(proxy, b"x" * 20_000) == b"x" * 20_000
    assert 0.28 < time.monotonic() - began < HANG_S


def test_a_black_hole_is_silent_until_it_is_healed(proxy: TcpProxy) -> None:
    """Nothing comes and nobody is told; then what was sent arrives after all."""
    with socket.create_connection(("127.0.0.1", proxy.port), 0.2) as connection:
        connection.sendall(b"before")
        assert read(connection, 6) == b"before"
        proxy.black_hole()
        connection.sendall(b"within")
        with pytest.raises(TimeoutError):
            connection.recv(10)
        proxy.heal()
        connection.settimeout(5)
        assert read(connection, 6) == b"within"


def test_the_limit_cuts_the_answer_short(proxy: TcpProxy) -> None:
    """The first bytes come, then the connection ends."""
    proxy.set(down=Toxics(limit_bytes=1000))
    assert ask(proxy, b"x" * 5000) == b"x" * 1000


def test_reset_ends_what_is_open(proxy: TcpProxy) -> None:
    """The client sees a reset, not an orderly end; the next connection works."""
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(b"x")
        assert read(connection, 1) == b"x"
        assert proxy.reset_connections() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    assert ask(proxy, b"again") == b"again"


def test_who_is_gone_refuses(proxy: TcpProxy) -> None:
    """Nobody listens until it accepts again, on the same port."""
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask(proxy, b"x")
    proxy.accept()
    assert ask(proxy, b"x") == b"x"


def test_a_flow_says_when_each_piece_arrives() -> None:
    """Bandwidth queues pieces one behind the other, latency shifts them all."""
    flow, toxics = Flow(), Toxics(latency_s=1.0, jitter_s=0.5, bytes_per_s=10.0)
    assert flow.due_at(b"x" * 20, toxics, now=100.0, luck=0.0) == 103.0
    assert flow.due_at(b"x" * 10, toxics, now=100.0, luck=1.0) == 104.5
    assert list(flow.pieces(b"abcde", Toxics(slice_bytes=2, limit_bytes=3))) == [b"ab", b"c"]
    assert flow.is_over(Toxics(limit_bytes=3))

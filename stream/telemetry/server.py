"""The endpoint for Prometheus and for probes; it has its own threads and answers while the event loop is stuck."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import socket
import socketserver
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, NamedTuple

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from stream.model.errors import ConfigError, Problem
from stream.model.held import Json
from stream.model.ports import Clock, Logger
from stream.telemetry.health import Exposed
from stream.telemetry.status.page import CONTENT_SECURITY_POLICY
from stream.telemetry.status.report import ProcessStatus
from stream.telemetry.status.views import StatusViews

MAX_CONNECTIONS = 32
"""Connections served at one time; for one more the oldest is closed whose request is not complete, else the oldest."""
MAX_REQUEST_BYTES = 16 * 1024
"""Request line and headers together; what lies beyond is not read."""
SILENCE_LIMIT_S = 5.0
CONNECTION_LIMIT_S = 15.0
"""Longest life of a connection, however slowly its client trickles."""
CHECK_INTERVAL_S = 0.1
"""How often old connections are looked for; a close takes at most this long as well."""
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HELD_SCHEMA_VERSION = 1


NOT_HERE = b"Not here; there are /, /status.json, /metrics, /held.json, /healthz and /readyz.\n"
HTML = "text/html; charset=utf-8"
PAGE_HEADERS = (("Content-Security-Policy", CONTENT_SECURITY_POLICY), ("Referrer-Policy", "no-referrer"))
ALL_HEADERS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


class HttpReply(NamedTuple):
    """What a path answers with."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class TelemetryServer:
    """Serves the status page, /status.json, /metrics, /held.json, /healthz and /readyz.

    `listen`: "host:port"; port 0 takes a free one.

    The port is bound at once, so that a start fails early.
    Raises ConfigError when the address cannot be listened on.
    """

    def __init__(self, listen: str, exposed: Exposed, clock: Clock, logger: Logger) -> None:
        self._exposed = exposed
        self._clock = clock
        self._views = StatusViews()
        self._server = _bind(listen, self, clock, logger)
        self._thread = Thread(
            target=self._server.serve_forever, args=(CHECK_INTERVAL_S,), name="telemetry", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drop_older_than(0)

    def reply(self, path: str) -> HttpReply:
        """What a GET of `path` answers."""
        match path:
            case "/metrics":
                return HttpReply(200, CONTENT_TYPE_PLAIN_0_0_4, self._exposed.metrics())
            case "/":
                return self._status_page(self._exposed.status())
            case "/status.json":
                return self._status_json(self._exposed.status())
            case "/held.json":
                return _held(self._exposed.held())
            case "/healthz":
                return _verdict(self._exposed.health_fault())
            case "/readyz":
                return _verdict(self._exposed.readiness_fault())
            case _:
                return HttpReply(404, TEXT, NOT_HERE)

    def _status_json(self, status: ProcessStatus | None) -> HttpReply:
        return NO_STATUS if status is None else HttpReply(200, JSON, self._views.json(status))

    def _status_page(self, status: ProcessStatus | None) -> HttpReply:
        if status is None:
            return NO_STATUS
        return HttpReply(200, HTML, self._views.page(status, self._clock.wall()), PAGE_HEADERS)


NO_STATUS = HttpReply(503, TEXT, b"The event loop does not answer.\n")


def _held(held: Json | None) -> HttpReply:
    if held is None:
        return NO_STATUS
    return HttpReply(200, JSON, json.dumps({"schema_version": HELD_SCHEMA_VERSION, **held}).encode())


def _verdict(fault: str) -> HttpReply:
    return HttpReply(503, TEXT, f"{fault}\n".encode()) if fault else HttpReply(200, TEXT, b"ok\n")


class _BoundedReader(io.BufferedIOBase):
    """Lines of a request, until the limit; then it ends as if the client had sent nothing else."""

    def __init__(self, inner: io.BufferedIOBase, limit: int) -> None:
        self._inner = inner
        self._left = limit

    def readline(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        line = self._inner.readline(wanted)
        self._left -= len(line)
        return line

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Answering(BaseHTTPRequestHandler):
    """One connection: one request, one answer."""

    server: _Server
    timeout = SILENCE_LIMIT_S
    server_version = "tray-stream"
    sys_version = ""
    error_content_type = TEXT
    error_message_format = "%(message)s.\n"

    def setup(self) -> None:
        super().setup()
        self.rfile = _BoundedReader(self.rfile, MAX_REQUEST_BYTES)

    def do_GET(self) -> None:
        self.wfile.write(self._start_reply())

    def do_HEAD(self) -> None:
        self._start_reply()

    def _start_reply(self) -> bytes:
        self.server.request_is_complete(self.connection)
        return self._send_head(self.server.endpoint.reply(self.path.partition("?")[0]))

    def _refuse(self) -> None:
        self.wfile.write(self._send_head(HttpReply(405, TEXT, b"Only GET and HEAD.\n", (("Allow", "GET, HEAD"),))))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = _refuse  # noqa: N815 - http.server's names

    def _send_head(self, reply: HttpReply) -> bytes:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in (*ALL_HEADERS, *reply.headers):
            self.send_header(name, value)
        self.end_headers()
        return reply.body

    def log_message(self, *_: object) -> None:
        """No access log."""


class _SpareDescriptor:
    """A file descriptor that is held back, so that probes are answered when the process has no other left."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: int | None = None
        self.hold()

    def hold(self) -> None:
        """Take one again, if there is none and one can be had."""
        with self._lock, contextlib.suppress(OSError):
            if self._held is None:
                self._held = os.open(os.devnull, os.O_RDONLY)

    def release(self) -> bool:
        """Make it free to use; False when it is already."""
        with self._lock:
            if self._held is None:
                return False
            os.close(self._held)
            self._held = None
            return True


class _Server(ThreadingHTTPServer):
    """Accepts connections; bounds their number and their life."""

    daemon_threads = True
    # Of the kernel's queue; with the default of five, a burst of connections waits a second.
    request_queue_size = 4 * MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], endpoint: TelemetryServer, clock: Clock, logger: Logger) -> None:
        self.endpoint = endpoint
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._spare = _SpareDescriptor()
        self._clock = clock
        self._logger = logger
        # Invariant: oldest first. The handlers' threads remove their own.
        self._since: dict[Any, float] = {}
        self._answering: set[Any] = set()
        super().__init__(address, _Answering)

    def server_close(self) -> None:
        """Free the port."""
        super().server_close()
        self._spare.release()

    def server_bind(self) -> None:
        # Not HTTPServer's own: that one asks the DNS for a name nobody needs.
        socketserver.TCPServer.server_bind(self)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; when the process has no file descriptor left, with the one that is held back."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self._logger.error("The process has no file descriptors left. Raise its limit (ulimit -n, LimitNOFILE=).")
        if not self._spare.release():
            time.sleep(CHECK_INTERVAL_S)  # the waiting connection would be offered again at once
        return super().get_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._since) >= MAX_CONNECTIONS:
            self._drop_one()
        self._since[request] = self._clock.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._forget(request)
        super().shutdown_request(request)
        self._spare.hold()

    def request_is_complete(self, connection: Any) -> None:
        """Its answer is being made: others are dropped before it."""
        self._answering.add(connection)

    def service_actions(self) -> None:
        self.drop_older_than(CONNECTION_LIMIT_S)

    def drop_older_than(self, age_s: float) -> None:
        """End the connections that are older; their threads notice and close them."""
        now = self._clock.monotonic()
        for connection, since in self._since.copy().items():
            if now - since >= age_s:
                _end(connection)

    def _drop_one(self) -> None:
        """Make room: a probe has to be answered however many connections drip."""
        oldest = list(self._since.copy())
        dropped = next((each for each in oldest if each not in self._answering), oldest[0] if oldest else None)
        if dropped is not None:
            self._forget(dropped)
            _end(dropped)

    def _forget(self, connection: Any) -> None:
        self._since.pop(connection, None)
        self._answering.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that goes away is no news.
        if not isinstance(error, OSError):
            self._logger.error("The metrics endpoint could not answer.", error=type(error).__name__)


def _end(connection: socket.socket) -> None:
    """Its thread notices, and closes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _bind(listen: str, endpoint: TelemetryServer, clock: Clock, logger: Logger) -> _Server:
    address = _address(listen)
    with _bind_problems(listen, address[1]):
        return _Server(address, endpoint, clock, logger)


@contextlib.contextmanager
def _bind_problems(listen: str, port: int) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that DNS cannot have
        raise ConfigError([_bind_problem(listen, port, error)]) from error


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        problem = Problem("http.listen", f'"{listen}" is not host:port.', 'Write it as "127.0.0.1:9464".')
        raise ConfigError([problem])
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - ":9464" asks for every interface


def _bind_problem(listen: str, port: int, error: OSError | UnicodeError) -> Problem:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        what = f"port {port} is already in use."
        return Problem("http.listen", what, "Stop the program that uses it, or set another port.")
    reason = os.strerror(number) if number and number > 0 else "unknown host"
    what = f"cannot listen on {listen} ({reason})."
    return Problem("http.listen", what, "Set an address of this machine and a port above 1023.")

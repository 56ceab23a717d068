"""The workflows of a bench: nginx where it is installed, else a receiver of our own; both count their requests."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

import orjson

from stream.demo.child import Child, free_port, wait_until_it

HERE = Path(__file__).parent
CERTIFICATE = "certificate.pem"

_NGINX = """
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; keepalive_time 24h;
  client_body_buffer_size 256k; client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /status {{ stub_status; }}
    location / {{ return 200 "ok"; }}
  }}
  {tls}
}}
"""
_NGINX_TLS = """
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{ return 200 "ok"; }}
  }}
"""
_REQUESTS = re.compile(r"\n\s*\d+\s+\d+\s+(\d+)")


class Nginx:
    """nginx with one worker, over HTTP and, with a certificate, over HTTPS; counts the requests of both."""

    name = "nginx"

    def __init__(self, directory: Path, certificate: Path | None) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._port, self._tls_port = free_port(), free_port()
        tls = _NGINX_TLS.format(port=self._tls_port, certificate=certificate) if certificate else ""
        path = directory / "nginx.conf"
        path.write_text(_NGINX.format(directory=directory, port=self._port, tls=tls))
        self._child = Child(["nginx", "-c", str(path)], directory / "output.log")
        self._asked = 0
        wait_until_it(lambda: is_open(self._port), self._child, "nginx")

    def url(self, name: str = "w", tls: bool = False) -> str:
        """Where a workflow of this name is."""
        return f"https://localhost:{self._tls_port}/{name}" if tls else f"http://127.0.0.1:{self._port}/{name}"

    def requests(self) -> int:
        """How many it has got, our own questions not counted."""
        text = fetch(f"http://127.0.0.1:{self._port}/status").decode()
        found = _REQUESTS.search(text)
        assert found is not None, text
        self._asked += 1
        return int(found[1]) - self._asked

    def close(self) -> None:
        """End it."""
        self._child.stop()


class OwnReceiver:
    """`bench_receiver.py` in a process of its own."""

    name = "own receiver"

    def __init__(self, latency_s: float = 0.0, is_recording: bool = False, certificate: Path | None = None) -> None:
        options = ["--latency", str(latency_s), *(["--record"] if is_recording else [])]
        plain = HERE / "bench_receiver.py"
        self._scheme = "https" if certificate else "http"
        self._certificate = certificate
        if certificate:
            options += ["--certificate", str(certificate)]
        self._process = subprocess.Popen(
            [sys.executable, plain, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def url(self, name: str = "w", tls: bool = False) -> str:
        """Where a workflow of this name is."""
        assert tls == (self._scheme == "https")
        host = "localhost" if tls else "127.0.0.1"
        return f"{self._scheme}://{host}:{self._port}/{name}"

    def requests(self) -> int:
        """How many it has got."""
        return int(self._fetch("status"))

    def arrivals(self) -> dict[str, float]:
        """When each message id came; monotonic seconds."""
        found: dict[str, float] = orjson.loads(self._fetch("arrivals"))
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _fetch(self, path: str) -> bytes:
        return fetch(self.url(path, self._scheme == "https"), self._certificate)


Endpoint = Nginx | OwnReceiver


class Endpoints:
    """Opens what a variant needs, and closes it. One nginx serves them all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nginx: Nginx | None = None
        self._others: list[OwnReceiver] = []
        self._certificate: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        for receiver in self._others:
            receiver.close()
        if self._nginx is not None:
            self._nginx.close()

    @property
    def certificate(self) -> Path:
        """A certificate of `localhost` that vouches for itself, and its key, in one file."""
        if self._certificate is None:
            self._certificate = make_certificate(self._directory / CERTIFICATE)
        return self._certificate

    def plain(self, tls: bool = False) -> Endpoint:
        """One that answers at once."""
        if shutil.which("nginx") is None:
            return self.slow(0.0, tls=tls)
        if self._nginx is None:
            self._nginx = Nginx(self._directory / "nginx", self.certificate if shutil.which("openssl") else None)
        return self._nginx

    def slow(self, latency_s: float, *, is_recording: bool = False, tls: bool = False) -> OwnReceiver:
        """One of our own, which answers after a while."""
        self._others.append(OwnReceiver(latency_s, is_recording, self.certificate if tls else None))
        return self._others[-1]


def make_certificate(path: Path) -> Path:
    """Make it with `openssl`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [path.with_suffix(".key"), path.with_suffix(".crt")]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", parts[0], "-out", parts[1]),
        ],
        check=True,
        capture_output=True,
    )
    path.write_text("".join(part.read_text() for part in parts))
    return path


def fetch(url: str, certificate: Path | None = None) -> bytes:
    """The body of an answer."""
    import ssl

    context = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    with urllib.request.urlopen(url, timeout=20, context=context) as answer:  # noqa: S310 - our own endpoint
        body: bytes = answer.read()
        return body


def is_open(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

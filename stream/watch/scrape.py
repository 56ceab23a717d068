"""One look at a metrics endpoint."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from stream.core.errors import ConfigError, Problem, StreamError, system_text
from stream.watch.snapshot import Snapshot, read_snapshot

TIMEOUT_S = 5.0
MAX_BYTES = 64 * 1024 * 1024


class NoAnswerError(StreamError):
    """The endpoint does not answer, or with something else than metrics; it may later."""


def endpoint(url: str) -> str:
    """The address of the metrics from what a user writes: `host:port` is enough.

    Raises:
        ConfigError: it is no address of HTTP.
    """
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError([Problem("--url", f"{url} is not an address.", "Write it as http://127.0.0.1:9464/metrics.")])
    return whole if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/metrics"


class Scraper:
    """Reads one endpoint again and again; no proxy of the environment is used."""

    def __init__(
        self, url: str, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self.url = url
        self._monotonic = monotonic
        self._wall = wall
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def look(self) -> Snapshot:
        """The metrics as they are now. Blocking, for a few seconds at most.

        Raises:
            NoAnswerError: there is no answer, or it is not metrics of this program.
        """
        try:
            with self._opener.open(self.url, timeout=TIMEOUT_S) as answer:
                text = answer.read(MAX_BYTES).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            raise NoAnswerError(f"it answers with status {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(_why(error)) from error
        try:
            snapshot = read_snapshot(text, self._monotonic(), self._wall())
        except ValueError as error:
            raise NoAnswerError("its answer is not in Prometheus' format") from error
        if not snapshot.has("tray_build_info"):
            raise NoAnswerError("its answer has no metrics of tray-stream")
        return snapshot


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if isinstance(reason, socket.gaierror):
        return "its host name is not known"
    if isinstance(reason, str):
        return reason
    return system_text(reason, "its answer is not HTTP")

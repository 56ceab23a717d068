"""One GET of a processor's endpoint; no proxy of the environment is used."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from stream.model.errors import ConfigError, Problem, StreamError, system_text

TIMEOUT_S = 5.0
MAX_BYTES = 64 * 1024 * 1024


class NoAnswerError(StreamError):
    """The endpoint does not answer, or with something else than was asked for; it may later."""


def endpoint(url: str, path: str = "/metrics") -> str:
    """The address of `path` from what a user writes: `host:port` is enough, and /metrics stands for the others.

    Raises:
        ConfigError: it is not an address of HTTP.
    """
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError([Problem("--url", f"{url} is not an address.", "Write it as http://127.0.0.1:9464/metrics.")])
    base = whole.removesuffix("/").removesuffix("/metrics")
    return f"{base}{path}" if base != whole or not parts.path.strip("/") else whole


def fetch(url: str) -> str:
    """The body of a GET. Blocking, for a few seconds at most.

    Raises:
        NoAnswerError: there is none.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=TIMEOUT_S) as answer:
            text: str = answer.read(MAX_BYTES).decode("utf-8", "replace")
            return text
    except urllib.error.HTTPError as error:
        raise NoAnswerError(f"it answers with status {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(_why(error)) from error


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if isinstance(reason, socket.gaierror):
        return "its host name is not known"
    if isinstance(reason, str):
        return reason
    return system_text(reason, "its answer is not HTTP")

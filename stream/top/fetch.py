"""What a running processor answers: where it is, one GET of it (no proxy of the environment is used), its status."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stream.model.errors import StreamError, config_error, system_text
from stream.model.timeparse import parse_time
from stream.telemetry.status.report import ProcessStatus, is_time

if TYPE_CHECKING:  # the settings' library takes long to load
    from stream.settings.model import Http

if TYPE_CHECKING:
    from pydantic import TypeAdapter


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
        raise config_error("--url", f"{url} is not an address.", "Write it as http://127.0.0.1:9464/metrics.")
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


_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a processor listens


def own_endpoint(http: Http) -> str:
    """Its address; one for all interfaces is reached on this machine.

    Raises:
        ConfigError: the processor takes any free port, so its address is not known.
    """
    if http.port == 0:
        raise config_error("http.listen", "takes any free port.", "Name it: --url host:port")
    host = _EVERYWHERE.get(http.host, http.host)
    return f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"


STATUS_PATH = "/status.json"
MOST = 10**20
"""More than any count, size or time."""


def look(url: str) -> ProcessStatus:
    """The status as it is now. Blocking, for a few seconds at most.

    Raises:
        NoAnswerError: there is no answer, or it is not a status of this program.
    """
    return read_status(fetch(url))


def read_status(text: str) -> ProcessStatus:
    """What an answer says. Keys that are not known are passed over.

    Raises:
        NoAnswerError: it is not a status of this program.
    """
    try:
        tree = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_number)
        return _adapter().validate_python(_with_moments(tree))
    except (ValueError, RecursionError) as error:  # pydantic's errors are ValueErrors
        raise NoAnswerError("its answer is not a status of tray-stream") from error


@cache
def _adapter() -> TypeAdapter[ProcessStatus]:
    from pydantic import TypeAdapter  # it takes long to load

    return TypeAdapter(ProcessStatus)


def _number(text: str) -> int | float:
    number = float(text)
    if not abs(number) < MOST:  # NaN and infinities included
        raise ValueError(text)
    return int(text) if text.lstrip("-").isdecimal() else number


def _with_moments(tree: object, key: str = "") -> object:
    """RFC 3339 times as Unix seconds."""
    if isinstance(tree, Mapping):
        return {name: _with_moments(value, name) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_with_moments(one) for one in tree]
    return parse_time(tree) / 1000 if isinstance(tree, str) and is_time(key) else tree

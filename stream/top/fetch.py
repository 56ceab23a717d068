"""What a running processor answers: where it is, its status, what it holds. No proxy of the environment is used."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from stream.model.errors import StreamError, config_error, system_text
from stream.model.records import RecordId
from stream.model.timeparse import parse_time
from stream.settings.places import parse_place
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


@dataclass(frozen=True)
class HeldEntry:
    """One held event, or an invalid record behind which its partition waits."""

    place: RecordId
    group: str
    workflow: str | None
    """None: an invalid record."""
    since: str
    """RFC 3339."""
    reason: str
    answer: int | str | None
    attempts: int
    detail: str


@dataclass(frozen=True)
class HeldAnswer:
    """The answer of one processor, or of several together."""

    total: int = 0
    counts: Mapping[str | None, int] = field(default_factory=dict)
    """Held by each workflow, those at zero included; None: partitions."""
    entries: list[HeldEntry] = field(default_factory=list)
    read_up_to: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Next offset to be read, by group and `topic:partition`."""


def ask_held(url: str) -> HeldAnswer:
    """What the processor at `url` (of /held.json) holds. Blocking, for a few seconds at most.

    Raises:
        NoAnswerError: there is no answer, or it is not of this program.
    """
    try:
        tree = json.loads(fetch(url))
        counts: dict[str | None, int] = {}
        for one in tree["workflows"]:
            counts[one["workflow"]] = counts.get(one["workflow"], 0) + int(one["held"])
        read = {(str(one["group"]), str(one["partition"])): int(one["read_up_to"]) for one in tree["partitions"]}
        return HeldAnswer(int(tree["total"]), counts, [_entry(one) for one in tree["held"]], read)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswerError("its answer is not a list of tray-stream's held events") from error


def together(answers: Iterable[HeldAnswer]) -> HeldAnswer:
    """Several processors' answers as one, those held longest first."""
    counts: dict[str | None, int] = {}
    entries: list[HeldEntry] = []
    read: dict[tuple[str, str], int] = {}
    for answer in answers:
        for workflow, count in answer.counts.items():
            counts[workflow] = counts.get(workflow, 0) + count
        entries += answer.entries
        read |= answer.read_up_to
    return HeldAnswer(sum(counts.values()), counts, sorted(entries, key=lambda one: one.since), read)


def _entry(one: Mapping[str, object]) -> HeldEntry:
    workflow, answer = one["workflow"], one["answer"]
    return HeldEntry(
        place=parse_place(str(one["place"])),
        group=str(one["group"]),
        workflow=None if workflow is None else str(workflow),
        since=str(one["since"]),
        reason=str(one["reason"]),
        answer=answer if answer is None or isinstance(answer, int) else str(answer),
        attempts=int(str(one["attempts"])),
        detail=str(one["detail"] or ""),
    )

"""How a workflow that is not well behaves: scripts for the paths of a `Receiver`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reply:
    """What one request gets. `delay_s` comes before the answer."""

    status: int = 200
    body: bytes = b"ok"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0


Behaviour = Callable[[bytes, int], Reply]
"""Called with a request's body and its number on the path, from 1, on the receiver's own thread."""

OK = Reply()


def always(status: int, body: bytes = b"ok", headers: tuple[tuple[str, str], ...] = ()) -> Behaviour:
    """The same answer to every request."""
    reply = Reply(status, body, headers)
    return lambda _body, _number: reply


def flaky(nth: int, status: int = 503) -> Behaviour:
    """Every nth request fails, the others succeed."""
    failure = Reply(status)
    return lambda _body, number: failure if number % nth == 0 else OK


def when(matches: Callable[[bytes], bool], then: Behaviour | int, otherwise: Behaviour | int = 200) -> Behaviour:
    """One behaviour for requests whose body matches, another for the rest."""
    matching, rest = _behaviour(then), _behaviour(otherwise)
    return lambda body, number: (matching if matches(body) else rest)(body, number)


def failing_at_times(up_s: float, down_s: float, status: int = 503) -> Behaviour:
    """Succeeds for `up_s` seconds, then fails for `down_s`, and so on."""
    began, failure = time.monotonic(), Reply(status)
    return lambda _body, _number: OK if (time.monotonic() - began) % (up_s + down_s) < up_s else failure


def slow(delay_s: float, behaviour: Behaviour | int = 200) -> Behaviour:
    """As another behaviour, later; other requests are served meanwhile."""
    inner = _behaviour(behaviour)
    return lambda body, number: replace(inner(body, number), delay_s=delay_s)


def _behaviour(given: Behaviour | int) -> Behaviour:
    return always(given) if isinstance(given, int) else given

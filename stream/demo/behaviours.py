"""How a workflow that is not well behaves: scripts for the paths of a `FaultReceiver`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum


class Act(Enum):
    """What is done with the connection once a request is there."""

    ANSWER = "answer it and keep the connection"
    CLOSE = "answer it and close the connection"
    HANG = "never answer"
    HANG_IN_BODY = "answer with a head and never send the body it announces"
    TRICKLE = "answer with a body that never ends, one byte at a time"
    RESET = "reset the connection without an answer"
    GARBAGE = "answer with something that is not HTTP, and close"


@dataclass(frozen=True)
class Reply:
    """What one request gets. `delay_s` comes before the answer, and before each byte of a trickle."""

    status: int = 200
    body: bytes = b"ok"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    act: Act = Act.ANSWER


Behaviour = Callable[[bytes, int], Reply]
"""Called with a request's body and its number on the path, from 1, on the receiver's own thread."""

OK = Reply()


def always(status: int, body: bytes = b"ok", headers: tuple[tuple[str, str], ...] = ()) -> Behaviour:
    """The same answer to every request."""
    reply = Reply(status, body, headers)
    return lambda _body, _number: reply


def cycle(*statuses: int) -> Behaviour:
    """One status after the other, and from the first again."""
    replies = [Reply(status) for status in statuses]
    return lambda _body, number: replies[(number - 1) % len(replies)]


def first(*statuses: int, then: int = 200) -> Behaviour:
    """These statuses to the first requests, `then` to all later ones."""
    return lambda _body, number: Reply(statuses[number - 1] if number <= len(statuses) else then)


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


def retry_after(value: str | int, status: int = 429) -> Behaviour:
    """Refuses, and says in `Retry-After` when to come again: seconds, an HTTP date, or nonsense."""
    return always(status, headers=(("Retry-After", str(value)),))


def closing(status: int = 200) -> Behaviour:
    """Answers and closes the connection, announced by `Connection: close`."""
    return _constant(Reply(status, headers=(("Connection", "close"),), act=Act.CLOSE))


def closing_unannounced(status: int = 200) -> Behaviour:
    """Answers as if the connection stayed open, and closes it."""
    return _constant(Reply(status, act=Act.CLOSE))


def hanging() -> Behaviour:
    """Reads each request and never answers."""
    return _constant(Reply(act=Act.HANG))


def hanging_in_body(status: int = 200) -> Behaviour:
    """Sends the head of an answer and never its body."""
    return _constant(Reply(status, act=Act.HANG_IN_BODY))


def trickling(interval_s: float, status: int = 200) -> Behaviour:
    """Sends a body that never ends, one byte each interval."""
    return _constant(Reply(status, delay_s=interval_s, act=Act.TRICKLE))


def resetting() -> Behaviour:
    """Resets the connection after the request was read: nobody knows whether it counted."""
    return _constant(Reply(act=Act.RESET))


def garbage() -> Behaviour:
    """Answers with something that is not HTTP."""
    return _constant(Reply(body=b"\x16\x03\x01 this is not HTTP\r\n\r\n", act=Act.GARBAGE))


class OutageBehaviour:
    """A behaviour that fails until it is healed, by `heal` or by time, and then succeeds."""

    def __init__(self, status: int = 503, for_s: float | None = None) -> None:
        self._failure = Reply(status)
        self._ends_at = None if for_s is None else time.monotonic() + for_s
        self._healed = threading.Event()

    def heal(self) -> None:
        """Succeed from now on."""
        self._healed.set()

    @property
    def is_over(self) -> bool:
        """Whether requests succeed again."""
        return self._healed.is_set() or (self._ends_at is not None and time.monotonic() >= self._ends_at)

    def __call__(self, body: bytes, number: int) -> Reply:
        return OK if self.is_over else self._failure


def _behaviour(given: Behaviour | int) -> Behaviour:
    return always(given) if isinstance(given, int) else given


def _constant(reply: Reply) -> Behaviour:
    return lambda _body, _number: reply

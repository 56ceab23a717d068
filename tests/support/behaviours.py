"""How a workflow that is far from well behaves: scripts for the paths of a `FaultReceiver`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from enum import Enum

from stream.demo.behaviours import OK, Behaviour, Reply, always


class Act(Enum):
    """What is done with the connection once a request is there."""

    CLOSE = "answer it and close the connection"
    HANG = "never answer"
    HANG_IN_BODY = "answer with a head and never send the body it announces"
    TRICKLE = "answer with a body that never ends, one byte at a time"
    RESET = "reset the connection without an answer"
    GARBAGE = "answer with something that is not HTTP, and close"


@dataclass(frozen=True)
class Misdeed(Reply):
    """A reply with something done to the connection. `delay_s` of a trickle comes before each of its bytes."""

    act: Act = Act.CLOSE


def cycle(*statuses: int) -> Behaviour:
    """One status after the other, and from the first again."""
    replies = [Reply(status) for status in statuses]
    return lambda _body, number: replies[(number - 1) % len(replies)]


def first(*statuses: int, then: int = 200) -> Behaviour:
    """These statuses to the first requests, `then` to all later ones."""
    return lambda _body, number: Reply(statuses[number - 1] if number <= len(statuses) else then)


def retry_after(value: str | int, status: int = 429) -> Behaviour:
    """Refuses, and says in `Retry-After` when to come again: seconds, an HTTP date, or nonsense."""
    return always(status, headers=(("Retry-After", str(value)),))


def closing(status: int = 200) -> Behaviour:
    """Answers and closes the connection, announced by `Connection: close`."""
    return _constant(Misdeed(status, headers=(("Connection", "close"),), act=Act.CLOSE))


def closing_unannounced(status: int = 200) -> Behaviour:
    """Answers as if the connection stayed open, and closes it."""
    return _constant(Misdeed(status, act=Act.CLOSE))


def hanging() -> Behaviour:
    """Reads each request and never answers."""
    return _constant(Misdeed(act=Act.HANG))


def hanging_in_body(status: int = 200) -> Behaviour:
    """Sends the head of an answer and never its body."""
    return _constant(Misdeed(status, act=Act.HANG_IN_BODY))


def trickling(interval_s: float, status: int = 200) -> Behaviour:
    """Sends a body that never ends, one byte each interval."""
    return _constant(Misdeed(status, delay_s=interval_s, act=Act.TRICKLE))


def resetting() -> Behaviour:
    """Resets the connection after the request was read: nobody knows whether it counted."""
    return _constant(Misdeed(act=Act.RESET))


def garbage() -> Behaviour:
    """Answers with something that is not HTTP."""
    return _constant(Misdeed(body=b"\x16\x03\x01 this is not HTTP\r\n\r\n", act=Act.GARBAGE))


class OutageBehaviour:
    """A behaviour that fails until it is healed, by `heal` or some time after its first request, and then succeeds."""

    def __init__(self, status: int = 503, for_s: float | None = None) -> None:
        self._failure = Reply(status)
        self._for_s = for_s
        self._ends_at: float | None = None
        self._healed = threading.Event()

    def heal(self) -> None:
        """Succeed from now on."""
        self._healed.set()

    @property
    def is_over(self) -> bool:
        """Whether requests succeed again."""
        return self._healed.is_set() or (self._ends_at is not None and time.monotonic() >= self._ends_at)

    def __call__(self, body: bytes, number: int) -> Reply:
        if self._ends_at is None and self._for_s is not None:
            self._ends_at = time.monotonic() + self._for_s
        return OK if self.is_over else self._failure


def _constant(reply: Reply) -> Behaviour:
    return lambda _body, _number: reply

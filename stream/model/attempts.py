"""Requests, and what comes back of an attempt to send one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, init=False)
class HttpRequest:
    """What is sent to a workflow; the URL belongs to the workflow's sender."""

    own: list[tuple[str, str]]
    """Headers of this request alone."""
    body: bytes
    constant: tuple[tuple[str, str], ...] = ()
    """Headers that it shares with every request of its workflow: one object for all of them."""
    kind: tuple[object, ...] = ()
    """Settings that `own` and `body` follow from, with the event."""
    lines: bytes = b""
    """What a sender made of `own` and the body's length, for the requests that are alike but for `constant`."""
    span: object | None = None
    """The span of its attempt, where spans are made."""

    def __init__(
        self,
        own: list[tuple[str, str]],
        body: bytes,
        constant: tuple[tuple[str, str], ...] = (),
        kind: tuple[object, ...] = (),
        lines: bytes = b"",
        span: object | None = None,
    ) -> None:
        self.own = own
        self.body = body
        self.constant = constant
        self.kind = kind
        self.lines = lines
        self.span = span

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers, in the order in which they are sent."""
        return [*self.constant, *self.own]


FAILURES = ("timeout", "connect", "reset", "tls", "dns", "unreadable", "stale")
"""Why there is no status: `unreadable` is an answer that is not HTTP, `stale` see `RESENT`."""


@dataclass(slots=True)
class Answer:
    """What came back of one attempt: a status, or the word for why there is none. Shared, so never changed."""

    status: int
    """HTTP status; 0 when no complete answer came."""
    failure: str = ""
    """One of `FAILURES`; empty when there is a status."""
    retry_after: str | None = None
    date: str | None = None
    """The header: when the answer was made, by the workflow's own clock."""
    excerpt: str = ""
    """The first characters of the answer's body, control characters escaped."""
    code: str = field(init=False, compare=False)
    """The attempt's metric label: the status as a number, or the failure as a word."""

    def __post_init__(self) -> None:
        self.code = self.failure or str(self.status)


RESENT = Answer(0, failure="stale")
"""Not the end of an attempt: its used connection had been closed, and its request is sent again, on a fresh one."""

"""What an answer means for the event (delivered, retried or rejected), and when a failed attempt is retried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus

from stream.model.attempts import Answer

MAX_RETRY_AFTER_S = 3600.0
_PHRASES = {status.value: status.phrase for status in HTTPStatus}

_WORKFLOW_AT_FAULT = frozenset({401, 403, 404, 407, 410})
_RETRIED_4XX = frozenset({408, 429})
_FINAL_5XX = frozenset({501, 505})
_MAX_DOUBLINGS = 40.0
"""Beyond this any real `max` is reached; keeps 2 ** n small."""


class Verdict(Enum):
    """What an attempt's result means for its event."""

    DELIVERED = "delivered"
    RETRY = "retry"
    RETRY_WORKFLOW = "retry_workflow"
    """The workflow or its credential is wrong, not the event."""
    REJECTED = "rejected"
    """This event is at fault."""


def _default_verdict(status: int) -> Verdict:
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if 300 <= status < 400 or status in _WORKFLOW_AT_FAULT:
        return Verdict.RETRY_WORKFLOW
    if status in _RETRIED_4XX:
        return Verdict.RETRY
    if 400 <= status < 500 or status in _FINAL_5XX:
        return Verdict.REJECTED
    return Verdict.RETRY


class OutcomeTable:
    """Status code → verdict, with the exceptions that the settings make."""

    def __init__(self, retry_on: Iterable[int] = (), reject_on: Iterable[int] = ()) -> None:
        self._verdicts = {status: _default_verdict(status) for status in range(1000)}
        for status in retry_on:
            self._verdicts[status] = Verdict.RETRY
        for status in reject_on:
            self._verdicts[status] = Verdict.REJECTED

    def verdict(self, answer: Answer) -> Verdict:
        """What `answer` means. No complete answer, or a status that is not an HTTP status: retry."""
        return Verdict.RETRY if answer.failure else self._verdicts.get(answer.status, Verdict.RETRY)


def describe_answer(answer: Answer) -> str:
    """What came back as the end of a sentence, in our own words: nothing of an answer's body."""
    if answer.failure:
        return answer.excerpt or answer.failure
    phrase = _PHRASES.get(answer.status, "")
    return f"it answers {answer.status} {phrase}".rstrip()


def retry_after_s(value: str | None, wall: float, date: str | None = None) -> float:
    """Seconds that a Retry-After header asks for, at most an hour; 0 where there is none or it is nonsense.

    Both forms of RFC 9110 section 10.2.3: a number of seconds, or a date. That is compared with the answer's own `date`
    (its header), so that neither clock has to be right; without one, with `wall` (Unix time).
    """
    if not value:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    due = _http_date(text)
    if due is None:
        return 0.0
    now = _http_date(date.strip()) if date else None
    return min(max(0.0, due - (wall if now is None else now)), MAX_RETRY_AFTER_S)


def _http_date(text: str) -> float | None:
    """Unix time of a date in any of the forms of RFC 9110 section 5.6.7, each of them UTC; None: it is not one."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter; all times in seconds."""

    initial_s: float = 0.5
    max_s: float = 60.0
    for_s: float = 4 * 3600.0
    """How long one event is tried, counted from the start of its retry clock."""

    def backoff_s(self, attempts: int, jitter: float) -> float:
        """Wait after the `attempts`-th attempt; `jitter` is a random number in [0, 1)."""
        cap: float = min(self.max_s, self.initial_s * 2.0 ** min(attempts - 1.0, _MAX_DOUBLINGS))
        return cap * jitter

    def is_expired(self, clock_start: float, due_at: float) -> bool:
        """Whether an attempt at `due_at` would lie beyond the event's time."""
        return due_at - clock_start > self.for_s

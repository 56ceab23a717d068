"""What an answer means for the event: delivered, to be tried again, or rejected."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from enum import Enum

from stream.core.model import Answer

MAX_RETRY_AFTER_S = 3600.0


class Verdict(Enum):
    """The classes of design section 7."""

    DELIVERED = "delivered"
    RETRY = "retry"
    RETRY_WORKFLOW = "retry_workflow"
    """The workflow or its credential is wrong, not the event."""
    REJECTED = "rejected"
    """This event is at fault."""


_WORKFLOW_AT_FAULT = frozenset({401, 403, 404, 407, 410})
_RETRIED_4XX = frozenset({408, 429})
_FINAL_5XX = frozenset({501, 505})


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
        self._verdicts = [_default_verdict(status) for status in range(1000)]
        for status in retry_on:
            self._verdicts[status] = Verdict.RETRY
        for status in reject_on:
            self._verdicts[status] = Verdict.REJECTED

    def verdict(self, answer: Answer) -> Verdict:
        """What `answer` means. No complete answer, or a status that is no HTTP status: retry."""
        if answer.failure or not 0 < answer.status < 1000:
            return Verdict.RETRY
        return self._verdicts[answer.status]


def retry_after_s(value: str | None, wall: float) -> float:
    """Seconds that a Retry-After header asks for, at most an hour; 0 where there is none or it is nonsense.

    Both forms of RFC 9110 section 10.2.3: a number of seconds, or an HTTP date compared with `wall` (Unix time).
    """
    if not value:
        return 0.0
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        due = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, due - wall), MAX_RETRY_AFTER_S)

"""The outcome and retry tables of the design, as tables."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.model.attempts import FAILURES, Answer
from stream.rules.outcome import (
    MAX_RETRY_AFTER_S,
    OutcomeTable,
    RetryPolicy,
    Verdict,
    describe_answer,
    retry_after_s,
)

WALL = 1_800_000_000.0


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ([200, 201, 202, 204, 299], Verdict.DELIVERED),
        ([408, 429, 500, 502, 503, 504, 506, 507, 511, 520, 599], Verdict.RETRY),
        ([300, 301, 302, 304, 307, 308, 401, 403, 404, 407, 410], Verdict.RETRY_WORKFLOW),
        ([400, 402, 405, 406, 409, 411, 413, 418, 422, 451, 460, 501, 505], Verdict.REJECTED),
        ([0, 100, 199, 600, 999, 1000, -1], Verdict.RETRY),
    ],
)
def test_statuses(codes: list[int], verdict: Verdict) -> None:
    """Each status has the verdict of the design's table; what is no final HTTP status is tried again."""
    table = OutcomeTable()
    assert {table.verdict(Answer(code)) for code in codes} == {verdict}


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_are_tried_again(failure: str) -> None:
    """An attempt without a complete answer is tried again, whatever status it had begun with."""
    assert OutcomeTable().verdict(Answer(0, failure)) is Verdict.RETRY
    assert OutcomeTable().verdict(Answer(200, failure)) is Verdict.RETRY


def test_settings_override_the_table() -> None:
    """`retry_on` and `reject_on` change single codes and leave the rest."""
    table = OutcomeTable(retry_on=[400], reject_on=[500, 404])
    verdicts = [table.verdict(Answer(code)) for code in (400, 500, 404, 503, 422)]
    assert verdicts == [Verdict.RETRY, Verdict.REJECTED, Verdict.REJECTED, Verdict.RETRY, Verdict.REJECTED]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("9" * 5000, MAX_RETRY_AFTER_S),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("\u0661", 0),
        (formatdate(WALL + 30, usegmt=True), 30),
        (formatdate(WALL - 30, usegmt=True), 0),
        (formatdate(WALL + 90_000, usegmt=True), MAX_RETRY_AFTER_S),
        ("Wed, 99 Foo 2026 00:00:00 GMT", 0),
    ],
)
def test_retry_after(header: str | None, seconds: float) -> None:
    """Both forms are understood, the past counts as now, an hour is the most, nonsense is ignored."""
    assert retry_after_s(header, WALL) == seconds


DUE = 1_800_000_030.0  # Fri, 15 Jan 2027 08:00:30 UTC


@pytest.mark.parametrize("zone", ["", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    "header",
    [
        "Fri, 15 Jan 2027 08:00:30 GMT",
        "Friday, 15-Jan-27 08:00:30 GMT",
        "Fri Jan 15 08:00:30 2027",
        "Fri, 15 Jan 2027 08:00:30 -0000",
        "Fri, 15 Jan 2027 08:00:30",
        "Fri, 15 Jan 2027 08:00:30 UTC",
        "Fri, 15 Jan 2027 09:00:30 +0100",
    ],
)
def test_a_date_without_a_zone_is_utc(header: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this program runs."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after_s(header, WALL) == pytest.approx(DUE - WALL)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("skew_s", [-86_400, -3600, 0, 3600, 86_400])
def test_a_clock_that_is_wrong_changes_no_pause(skew_s: float) -> None:
    """The answer's own date says how long it is from then; only where that is nonsense does this clock count."""
    header = formatdate(WALL + 10, usegmt=True)
    assert retry_after_s(header, WALL + skew_s, formatdate(WALL, usegmt=True)) == pytest.approx(10)
    assert retry_after_s(header, WALL, "yesterday") == pytest.approx(10)
    assert retry_after_s("10", WALL + skew_s, formatdate(WALL, usegmt=True)) == 10


@given(st.text(), st.text())
def test_no_date_breaks_it(header: str, date: str) -> None:
    """Nor exceeds the bounds."""
    assert 0 <= retry_after_s(header, WALL, date) <= MAX_RETRY_AFTER_S


@given(st.text())
def test_retry_after_takes_any_text(header: str) -> None:
    """No header can break it or exceed the bounds."""
    assert 0 <= retry_after_s(header, WALL) <= MAX_RETRY_AFTER_S


@given(st.integers(1, 100_000), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_its_cap(attempts: int, jitter: float) -> None:
    """Backoff doubles from `initial`, never beyond `max`, and full jitter only shortens it."""
    policy = RetryPolicy(initial_s=0.5, max_s=60)
    cap = min(60.0, 0.5 * 2.0 ** min(attempts - 1, 50))
    assert policy.backoff_s(attempts, jitter) == pytest.approx(cap * jitter)


def test_backoff_doubles() -> None:
    """From `initial` after the first attempt up to `max`."""
    policy = RetryPolicy(initial_s=0.5, max_s=60)
    assert [policy.backoff_s(attempts, 0.5) for attempts in range(1, 10)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(
    ("answer", "described"),
    [
        (Answer(503), "it answers 503 Service Unavailable"),
        (Answer(799), "it answers 799"),
        (Answer(0, "timeout"), "timeout"),
        (Answer(0, "connect", excerpt="nothing listens at this address"), "nothing listens at this address"),
    ],
)
def test_an_answer_is_described_in_our_words(answer: Answer, described: str) -> None:
    """The status and its phrase, or what kept the answer from coming."""
    assert describe_answer(answer) == described


def test_expiry_counts_from_the_clock_start() -> None:
    """An attempt that would be due after `for` is not made."""
    policy = RetryPolicy(for_s=10)
    assert not policy.is_expired(clock_start=5, due_at=15)
    assert policy.is_expired(clock_start=5, due_at=15.1)

"""Adaptive concurrency of one workflow, by itself and against models of servers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count, pairwise
from random import Random

import pytest

from stream.engine.concurrency import INITIAL, AdaptiveLimit

Server = Callable[[float, int], tuple[float, bool]]
"""(now, requests in flight) → (seconds until the answer, whether it is a good one)."""


def seconds_for(server: Server, events: int, limit: AdaptiveLimit) -> float:
    """How long a server takes for so many events that are sent as the limit allows; failed ones are sent again."""
    now, in_flight, to_send, order = 0.0, 0, events, count()
    answers: list[tuple[float, int, float, bool]] = []
    while to_send or answers:
        while to_send and in_flight < limit.limit:
            took, is_good = server(now, in_flight)
            heapq.heappush(answers, (now + took, next(order), took, is_good))
            in_flight, to_send = in_flight + 1, to_send - 1
        if to_send:
            limit.reached()
        now, _, took, is_good = heapq.heappop(answers)
        in_flight, to_send = in_flight - 1, to_send + (not is_good)
        limit.observe([took], [] if is_good else [took], now)
    return now


def steady(low: float, high: float, seed: int = 1) -> Server:
    """As many requests as one likes at once; each takes between `low` and `high` seconds."""
    rng = Random(seed)
    return lambda _now, _in_flight: (rng.uniform(low, high), True)


def queueing(latency_s: float, per_s: float) -> Server:
    """One after the other, at most so many a second; what is more waits."""
    free_at = 0.0

    def server(now: float, _in_flight: int) -> tuple[float, bool]:
        nonlocal free_at
        free_at = max(now, free_at) + 1 / per_s
        return free_at - now + latency_s, True

    return server


@pytest.mark.parametrize("most", [256, 128, 64])
def test_a_slow_workflow_soon_has_all_that_it_may_have(most: int) -> None:
    """3 s an event: the limit doubles every round trip, so that 2,000 take little longer than at the most at once."""
    took = seconds_for(steady(3, 3), 2000, AdaptiveLimit(most))
    assert took <= 2000 / most * 3 + 6 * 3


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("low", "high"), [(2, 4), (1, 6), (0.5, 1)])
def test_answers_that_take_now_longer_now_shorter_do_not_end_the_slow_start(low: float, high: float, seed: int) -> None:
    """Scatter is no rise of the round trip: 2,000 events take less than twice what they would at the most at once."""
    took = seconds_for(steady(low, high, seed), 2000, AdaptiveLimit(256))
    assert took < 2 * (2000 / 256 * (low + high) / 2 + high)


@pytest.mark.parametrize(("latency_s", "per_s"), [(0.2, 100.0), (1.0, 50.0), (0.5, 200.0)])
def test_slow_start_ends_where_more_at_once_only_wait(latency_s: float, per_s: float) -> None:
    """A server that takes so many a second is not sent a multiple of what it can work on."""
    limit, most = AdaptiveLimit(1024), 0
    server = queueing(latency_s, per_s)

    def watched(now: float, in_flight: int) -> tuple[float, bool]:
        nonlocal most
        most = max(most, limit.limit)
        return server(now, in_flight)

    took = seconds_for(watched, 2000, limit)
    assert most <= 4 * max(INITIAL, latency_s * per_s)
    assert took < 1.2 * 2000 / per_s + 10 * latency_s


def test_slow_start_ends_with_the_first_push_back() -> None:
    """From there on the limit grows by one a round trip."""
    limit, now = AdaptiveLimit(256), 0.0
    for _ in range(3):
        now += 1
        limit.reached()
        limit.observe([1.0] * limit.limit, [], now)
    doubled = limit.limit
    now += 1
    limit.observe([1.0] * doubled, [1.0], now)
    shrunk = limit.limit
    now += 1
    limit.reached()
    limit.observe([1.0] * shrunk, [], now)
    assert (doubled, shrunk, limit.limit) == (8 * INITIAL, int(8 * INITIAL * 0.9), int(8 * INITIAL * 0.9) + 1)


def trips(limit: AdaptiveLimit, *elapsed_s: float, start: float = 0.0) -> list[int]:
    """The limit after each of some round trips, all of them reached and answered well."""
    limits, now = [], start
    for elapsed in elapsed_s:
        now += elapsed
        limit.reached()
        limit.observe([elapsed] * limit.limit, [], now)
        limits.append(limit.limit)
    return limits


def test_slow_start_ends_with_half_the_limit_when_the_round_trip_rises() -> None:
    """From there on it no longer doubles."""
    assert trips(AdaptiveLimit(9), 0.125, 0.25, 0.25) == [9, 4, 4]


def test_slow_start_ends_at_the_most_that_may_be_in_flight() -> None:
    """A round trip that rises from there on takes a tenth, not half."""
    assert trips(AdaptiveLimit(INITIAL), 0.125, 0.25) == [8, 7]


def test_half_of_what_may_be_in_flight_ends_a_round_trip_of_the_slow_start() -> None:
    """With fewer answers the limit stays."""
    limit, limits = AdaptiveLimit(64), []
    for now in range(1, INITIAL // 2 + 1):
        limit.reached()
        limit.observe([0.1], [], float(now))
        limits.append(limit.limit)
    assert limits == [INITIAL, INITIAL, INITIAL, 2 * INITIAL]


def after_a_refusal(*elapsed_s: float) -> list[int]:
    """How the limit changed after each of some round trips, the slow start being over and nothing learnt before."""
    limit = AdaptiveLimit(64)
    limit.observe([0.01], [0.01], 0.5)
    return [after - before for before, after in pairwise([limit.limit, *trips(limit, *elapsed_s, start=1.0)])]


@pytest.mark.parametrize(("elapsed_s", "change"), [(0.127, 1), (0.129, 0), (0.137, -1)])
def test_the_usual_round_trip_follows_the_newest_by_two_fifths(elapsed_s: float, change: int) -> None:
    """Up to 20 ms more let the limit grow; 2.5 standard deviations more, and over 20 ms, let it shrink."""
    assert after_a_refusal(0.1, 0.119, elapsed_s) == [1, 1, change]


def test_the_first_round_trip_that_is_measured_is_the_usual_one() -> None:
    """However long it takes; what is slow is known from the second on."""
    assert after_a_refusal(3.0, 3.0) == [1, 1]
    assert after_a_refusal(0.1, 0.3) == [1, -1]


def test_refused_requests_do_not_change_the_usual_round_trip() -> None:
    """A workflow that timed out for a while is still measured by its answers."""
    limit = AdaptiveLimit(64)
    limit.observe([0.01], [0.01], 0.5)
    trips(limit, 0.1, start=1.0)
    for now in (10.0, 20.0, 30.0):
        limit.observe([5.0], [5.0], now)
    before = limit.limit
    assert trips(limit, 0.3, start=50.0) == [before - 1]


def test_a_burst_of_refusals_counts_once() -> None:
    """What was sent before the limit shrank says nothing about the smaller one, however late it is answered."""
    limit = AdaptiveLimit(64)
    limit.observe([0.01], [0.01], 10.0)
    shrunk = limit.limit
    for late in range(1, 40):
        limit.observe([late / 10 + 0.01], [late / 10 + 0.01], 10.0 + late / 10)
    assert limit.limit == shrunk
    limit.observe([0.1], [0.1], 20.0)
    assert limit.limit < shrunk


def test_concurrency_grows_while_answers_stay_quick() -> None:
    """The limit rises by one a round trip as long as it is reached, up to the most."""
    limit, now = AdaptiveLimit(12), 0.0
    for _ in range(50):
        limit.reached()
        now += 0.1
        limit.observe([0.1], [], now)
    assert limit.limit == 12


def test_concurrency_does_not_grow_unused() -> None:
    """Answers alone do not raise a limit that nobody waits for."""
    limit, now = AdaptiveLimit(64), 0.0
    before = limit.limit
    for _ in range(50):
        now += 0.1
        limit.observe([0.1], [], now)
    assert limit.limit == before


def test_concurrency_shrinks_on_push_back_and_on_slow_answers() -> None:
    """429, 5xx and timeouts take a tenth each round trip, at least one stays; far slower answers do the same."""
    limit, now = AdaptiveLimit(64), 0.0
    for _ in range(60):
        now += 0.1
        limit.observe([0.1], [0.1], now)
    assert limit.limit == 1
    slow, now = AdaptiveLimit(64), 0.0
    for _ in range(20):
        slow.reached()
        now += 0.1
        slow.observe([0.1], [], now)
    before = slow.limit
    slow.observe([2.0] * before, [], now + 2)
    assert slow.limit < before


def test_noise_of_a_few_milliseconds_is_no_push_back() -> None:
    """A quick endpoint that is answered a little later by a busy machine keeps its concurrency."""
    limit, now = AdaptiveLimit(64), 0.0
    for step in range(400):
        limit.reached()
        elapsed = 0.001 if step % 7 else 0.009
        now += elapsed
        limit.observe([elapsed], [], now)
    assert limit.limit == 64

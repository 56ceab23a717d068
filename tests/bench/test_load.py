"""The search for the sustained rate, on a program that exists only as a number: what it can do in a second."""

from __future__ import annotations

import pytest
from bench_trial import LOOK_S, Look, Span, drain, hold, hold_the_highest, search
from sustained_load import tried, verdicts


class Simulated:
    """Takes up to `capacity` events a second; half a second goes by at each look."""

    def __init__(self, capacity: float, growth: float = 1.0, feed_limit: float = 1e9) -> None:
        self._capacity, self._growth, self._feed_limit = capacity, growth, feed_limit
        self._at, self._written, self._done, self._rss = 0.0, 0.0, 0.0, 80.0
        self._rate = 0.0

    def set_rate(self, rate: float) -> None:
        """As the feed."""
        self._rate = min(rate, self._feed_limit)

    def look(self) -> Look:
        """As the trial."""
        self._at += LOOK_S
        self._written += self._rate * LOOK_S
        self._done = min(self._written, self._done + self._capacity * LOOK_S)
        self._rss *= self._growth if self._rate > self._capacity else 1.0
        return Look(self._at, int(self._written), int(self._done), int(self._written - self._done), self._rss)


@pytest.mark.parametrize("capacity", [1_500.0, 4_321.0, 20_000.0])
def test_the_highest_rate_is_found_and_held(capacity: float) -> None:
    """The search comes near it, for its steps are short; what is held for long is not above it."""
    loaded = Simulated(capacity)
    found = search(loaded, 1_000, 12)
    assert 0.85 * capacity <= found <= 1.25 * capacity
    held = hold_the_highest(loaded, found, 120)
    assert 0.85 * capacity <= held.rate <= 1.02 * capacity
    assert held.is_flat
    assert held.written_rate == pytest.approx(held.rate, rel=0.02)


def test_nothing_is_found_where_the_first_step_is_too_much() -> None:
    """Then there is no rate to hold, and the verdict says so."""
    assert search(Simulated(100), 1_000, 12) == 0
    found = tried(Simulated(100), 1, 0.3, print)
    assert verdicts(found) == ["FAIL load sustained workflows=1 rate=0: the lag grew from the first step on"]


def test_the_feed_may_be_what_limits() -> None:
    """A rate that was asked for and did not come is not one that was found."""
    assert search(Simulated(1e6, feed_limit=3_000), 1_000, 12) <= 3_200


def test_lag_after_too_much_goes_away() -> None:
    """The backlog of the overload takes as long as it is large."""
    loaded = Simulated(1_000)
    over = hold(loaded, 2_000, 30)
    assert not over.is_flat
    assert drain(loaded) == pytest.approx(30, abs=1)


def test_the_whole_trial_passes() -> None:
    """Both lines, with the figures."""
    kept, overload = verdicts(tried(Simulated(5_000), 10, 2, print))
    assert kept.startswith("PASS load sustained workflows=10 rate=")
    assert overload.startswith("PASS load overload workflows=10 rate=")
    assert "growth=1.000 gone=" in overload


def test_growing_memory_under_too_much_load_is_found() -> None:
    """One percent each half second."""
    kept, overload = verdicts(tried(Simulated(5_000, growth=1.01), 1, 1, print))
    assert kept.startswith("PASS")
    assert overload.startswith("FAIL load overload")
    _, short = verdicts(tried(Simulated(5_000, growth=1.01), 1, 0.5, print))
    assert short.startswith("PASS")
    assert short.endswith("(short: memory not judged)")


def test_thirds_of_a_span_are_never_empty() -> None:
    """However few looks there are."""
    looks = [Look(float(n), n, n, 0, 80.0) for n in range(4)]
    assert [len(Span(1.0, looks[:1]).third(n)) for n in range(3)] == [1, 1, 1]
    assert [len(Span(1.0, looks).third(n)) for n in range(3)] == [1, 1, 2]

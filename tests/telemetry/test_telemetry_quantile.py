"""Quantiles from a histogram's buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.telemetry.status.tracks import quantile


@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.floats(0, 1))
def test_a_quantile_lies_within_the_bounds(counts: list[int], share: float) -> None:
    """Whatever was counted; it is none only where nothing was."""
    bounds = (0.1, 1.0, math.inf)
    cumulative = {bound: float(sum(counts[: index + 1])) for index, bound in enumerate(bounds)}
    found = quantile(share, cumulative)
    assert (found is None) == (sum(counts) == 0)
    assert found is None or 0 <= found <= 1.0


def test_quantiles_are_those_of_prometheus() -> None:
    """Linear within a bucket; beyond the last bound that bound."""
    counts = {0.1: 10.0, 0.5: 30.0, math.inf: 40.0}
    assert quantile(0.5, counts) == pytest.approx(0.3)
    assert quantile(0.25, counts) == pytest.approx(0.1)
    assert quantile(0.99, counts) == 0.5
    assert quantile(0.5, {}) is None

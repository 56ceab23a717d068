"""Counting observations."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from stream.model.statistics import Histogram

BOUNDS = (0.1, 0.5, 1.0)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 2)), max_size=20))
def test_counting_many_at_once_is_counting_each(values: list[float]) -> None:
    """A value at a bound belongs below it; one beyond all bounds is counted last."""
    together, singly = Histogram(BOUNDS), Histogram(BOUNDS)
    together.observe_all(values)
    for value in values:
        singly.observe(value)
    assert together.counts == singly.counts
    assert math.isclose(together.total, singly.total)

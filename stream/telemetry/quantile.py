"""Quantiles from a histogram's buckets, as Prometheus works them out."""

from __future__ import annotations

import math
from collections.abc import Mapping


def quantile(share: float, counts: Mapping[float, float]) -> float | None:
    """The value that `share` (0 to 1) of the observations lie below; None when there are none.

    `counts` are cumulative by upper bound, infinity included. Within a bucket observations are taken to be spread
    evenly; of what lies beyond the last bound nothing is known but that bound.
    """
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        return None
    rank = share * counts[bounds[-1]]
    lower, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            if math.isinf(bound):
                return lower
            inside = counts[bound] - below
            return lower + (bound - lower) * ((rank - below) / inside if inside > 0 else 1.0)
        lower, below = bound, counts[bound]
    return lower

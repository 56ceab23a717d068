"""The samples of one scrape, to be summed and compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted."""
MOST = 1e20
"""More than any count, size or time."""


@dataclass(frozen=True)
class Snapshot:
    """Every sample by its name and labels."""

    at: float
    """Monotonic seconds."""
    wall: float
    """Unix time in seconds."""
    values: dict[str, dict[Labels, float]]

    def has(self, name: str) -> bool:
        """Whether there is a sample of this name."""
        return name in self.values

    def series(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Samples of this name that have these labels among theirs."""
        wanted = labels.items()
        for key, value in self.values.get(name, {}).items():
            named = dict(key)
            if wanted <= named.items():
                yield named, value

    def total(self, name: str, **labels: str) -> float:
        """The sum of those samples; 0 when there is none."""
        return sum(value for _, value in self.series(name, **labels))

    def least(self, name: str, **labels: str) -> float | None:
        """The least of those samples; None when there is none."""
        return min((value for _, value in self.series(name, **labels)), default=None)

    def most(self, name: str, **labels: str) -> float | None:
        """The largest of those samples; None when there is none."""
        return max((value for _, value in self.series(name, **labels)), default=None)

    def increase(self, before: Snapshot, name: str, **labels: str) -> float:
        """By how much those counters grew since `before`, each by itself."""
        return sum(delta for _, delta in self.increases(before, name, **labels))

    def increases(self, before: Snapshot, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        """Growth of each; one that fell has begun anew, and one that is new began at zero."""
        earlier = before.values.get(name, {})
        for key, value in self.values.get(name, {}).items():
            named = dict(key)
            if labels.items() <= named.items():
                past = earlier.get(key, 0.0)
                yield named, value - past if value >= past else value


def _is_sensible(sample: Sample) -> bool:
    """NaN, infinities and the like are neither counts nor times; this program exposes none."""
    return abs(sample.value) < MOST


def read_snapshot(text: str, at: float, wall: float) -> Snapshot:
    """A scrape's text.

    Raises:
        ValueError: it is not in Prometheus' format.
    """
    values: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in filter(_is_sensible, family.samples):
            values.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return Snapshot(at, wall, values)

"""Exposes the engines' plain numbers as the metrics of the catalogue, read at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from stream.model.events import FilterReason
from stream.model.statistics import EngineStats, Histogram, TokenStats, WorkflowStats
from stream.telemetry import catalogue
from stream.telemetry.catalogue import Metric

Numbers = Mapping[Any, float]
"""Values by what follows the fixed labels: one label, a tuple of labels, or () for nothing."""
MetricRow = tuple[tuple[str, ...], float]
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

OF_GROUP: dict[Metric, Callable[[EngineStats], Numbers]] = {
    catalogue.EVENTS_RECEIVED: lambda stats: stats.received,
    catalogue.EVENTS_SETTLED: lambda stats: stats.settled,
    catalogue.OPEN_EVENTS: lambda stats: stats.open_events,
    catalogue.OPEN_BYTES: lambda stats: {(): stats.open_bytes},
    catalogue.CONSUMER_LAG: lambda stats: stats.lag(),
    catalogue.COMMITTED_OFFSET: lambda stats: stats.committed,
    catalogue.COMMITS: lambda stats: stats.commits,
    catalogue.REBALANCES: lambda stats: stats.rebalances,
    catalogue.PARTITIONS_PAUSED: lambda stats: {(): stats.partitions_paused},
    catalogue.RECORDS_LOST: lambda stats: stats.records_lost,
    catalogue.KAFKA_UP: lambda stats: {(): int(stats.contact.is_up)},
    catalogue.KAFKA_LAST_CONTACT: lambda stats: _known(stats.contact.at),
    catalogue.PARTITIONS_ASSIGNED: lambda stats: {(): stats.partitions_assigned},
    catalogue.PARTITIONS_HALTED: lambda stats: {(): stats.partitions_halted},
    catalogue.PARTITIONS_AWAITING_SCHEMA: lambda stats: {(): stats.partitions_awaiting_schema},
    catalogue.SCHEMA_REQUESTS: lambda stats: stats.schema_requests,
}
OF_WORKFLOW: dict[Metric, Callable[[WorkflowStats], Numbers]] = {
    catalogue.EVENTS_FILTERED: lambda stats: stats.filtered,
    catalogue.DELIVERIES: lambda stats: stats.deliveries,
    catalogue.ATTEMPTS: lambda stats: stats.attempts,
    catalogue.DEAD_LETTERS: lambda stats: stats.dead_letters,
    catalogue.IN_FLIGHT: lambda stats: {(): stats.in_flight},
    catalogue.WAITING: lambda stats: {(): stats.waiting},
    catalogue.CONCURRENCY_LIMIT: lambda stats: {(): stats.concurrency_limit},
    catalogue.GATE_OPEN: lambda stats: {(): int(stats.gate_closed_since is None)},
    catalogue.GATE_CLOSED_SINCE: lambda stats: _known(stats.gate_closed_since),
    catalogue.GATE_CLOSED_UNTIL: lambda stats: _known(stats.gate_closed_until),
    catalogue.HELD: lambda stats: {(): stats.held},
    catalogue.PAUSED: lambda stats: {(): int(stats.paused)},
    catalogue.OLDEST_OPEN: lambda stats: _known(stats.oldest_open_at),
    catalogue.LAST_DELIVERY: lambda stats: _known(stats.last_delivery_at),
}
OF_NO_WORKFLOW: dict[Metric, Callable[[EngineStats], Numbers]] = {
    catalogue.EVENTS_FILTERED: lambda stats: {
        FilterReason.TOMBSTONE: stats.tombstones,
        FilterReason.GIVEN_UP: stats.given_up,
        FilterReason.REMOVED: stats.removed,
    },
    catalogue.DEAD_LETTERS: lambda stats: stats.invalid,
    catalogue.HELD: lambda stats: {(): stats.held_records},
}
OF_ALL_ENGINES: dict[Metric, Callable[[EngineStats], Numbers]] = {
    catalogue.DEAD_LETTER_WRITES: lambda stats: stats.dead_letter_writes,
    catalogue.CONFIG_RELOADS: lambda stats: stats.config_reloads,
}
OF_TOKEN: dict[Metric, Callable[[TokenStats], Numbers]] = {
    catalogue.KAFKA_TOKEN_REFRESHES: lambda stats: stats.refreshes,
    catalogue.KAFKA_TOKEN_FAILING: lambda stats: {(): int(stats.failing_since is not None)},
}
HISTOGRAMS: dict[Metric, Callable[[WorkflowStats], Histogram]] = {
    catalogue.ATTEMPT_DURATION: lambda stats: stats.attempt_duration,
    catalogue.EVENT_AGE: lambda stats: stats.age,
}


class EngineCollector(Collector):
    """Reads every engine when asked; called from the endpoint's threads while the engines keep counting."""

    def __init__(self, engines: Sequence[EngineStats], version: str, token: TokenStats | None = None) -> None:
        self._engines = engines
        self._token = token or TokenStats()
        self._version = version

    def collect(self) -> Iterator[Family]:
        """Every metric of the catalogue, also those without a sample yet."""
        engines = tuple(self._engines)
        for metric in catalogue.CATALOGUE:
            if metric in HISTOGRAMS:
                yield _histogram(metric, engines)
            else:
                yield _plain(metric, self._rows(metric, engines))

    def _rows(self, metric: Metric, engines: Sequence[EngineStats]) -> Iterable[MetricRow]:
        if metric is catalogue.BUILD_INFO:
            return [((self._version,), 1)]
        if of_engine := OF_ALL_ENGINES.get(metric):
            return _sums(of_engine(engine) for engine in engines)
        if of_token := OF_TOKEN.get(metric):
            return _labelled((), of_token(self._token))
        return (row for engine in engines for row in _engine_rows(metric, engine))


def build_registry(engines: Sequence[EngineStats], version: str, token: TokenStats | None = None) -> CollectorRegistry:
    """A registry with the engines, this process and the interpreter. `engines` is read anew at each scrape."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(engines, version, token))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _known(value: float | None) -> Numbers:
    """A gauge without a value has no sample."""
    return {} if value is None else {(): value}


def _engine_rows(metric: Metric, engine: EngineStats) -> Iterator[MetricRow]:
    if of_group := OF_GROUP.get(metric):
        yield from _labelled((engine.group,), of_group(engine))
    if of_no_workflow := OF_NO_WORKFLOW.get(metric):
        yield from _labelled((engine.group, ""), of_no_workflow(engine))
    if of_workflow := OF_WORKFLOW.get(metric):
        for name, stats in dict(engine.workflows).items():
            yield from _labelled((engine.group, name), of_workflow(stats))


def _labelled(fixed: tuple[str, ...], numbers: Numbers) -> Iterator[MetricRow]:
    # The copy is one step for the interpreter; walking the original would race with the engine.
    for key, value in dict(numbers).items():
        rest = key if isinstance(key, tuple) else (key,)
        yield (*fixed, *map(str, rest)), value


def _sums(parts: Iterator[Numbers]) -> Iterator[MetricRow]:
    total: dict[str, float] = {}
    for part in parts:
        for key, value in dict(part).items():
            total[key] = total.get(key, 0) + value
    return _labelled((), total)


def _plain(metric: Metric, rows: Iterable[MetricRow]) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.sentence, labels=metric.labels)
    for labels, value in rows:
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, engines: Sequence[EngineStats]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.sentence, labels=metric.labels)
    for engine in engines:
        for name, stats in dict(engine.workflows).items():
            histogram = HISTOGRAMS[metric](stats)
            family.add_metric((engine.group, name), _buckets(histogram), histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = (*map(str, histogram.bounds), "+Inf")
    return list(zip(bounds, accumulate(list(histogram.counts)), strict=True))

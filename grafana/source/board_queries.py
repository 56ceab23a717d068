"""Selectors and functions of PromQL over the metrics of the catalogue, as the dashboards write them."""

from __future__ import annotations

from stream.telemetry.catalogue import Metric

OF_TARGET = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"'
"""On every selector, so that one can look at one process alone."""
OF_GROUP = f'{OF_TARGET}, group=~"$group"'
OF_WORKFLOW = f'{OF_GROUP}, workflow=~"$workflow"'
OF_WORKFLOW_OR_NONE = f'{OF_GROUP}, workflow=~"$workflow|"'
"""Also what belongs to no workflow: tombstones, invalid events, held partitions."""


def series(metric: Metric, *more: str, suffix: str = "", scope: str = "") -> str:
    """A selector with the dashboard's variables that the metric's labels allow (or `scope`), and `more` matchers."""
    return f"{metric.name}{suffix}{{{', '.join((scope or _scope(metric), *more))}}}"


def rate(metric: Metric, *more: str, suffix: str = "", scope: str = "") -> str:
    """Increase per second of a counter."""
    return f"rate({series(metric, *more, suffix=suffix, scope=scope)}[$__rate_interval])"


def increase(metric: Metric, *more: str, scope: str = "") -> str:
    """Increase of a counter over the time range that is looked at."""
    return f"increase({series(metric, *more, scope=scope)}[$__range])"


def total(expr: str, *by: str) -> str:
    """Sum over everything but the labels `by`."""
    return _aggregated("sum", expr, by)


def least(expr: str, *by: str) -> str:
    """Smallest over everything but the labels `by`."""
    return _aggregated("min", expr, by)


def most(expr: str, *by: str) -> str:
    """Largest over everything but the labels `by`."""
    return _aggregated("max", expr, by)


def quantile(share: float, metric: Metric) -> str:
    """A quantile of a histogram, over everything that is selected."""
    return f"histogram_quantile({share}, {total(rate(metric, suffix='_bucket'), 'le')})"


def ratio(part: str, whole: str) -> str:
    """Part of a whole; nothing while the whole is 0."""
    return f"{part} / ({whole} > 0)"


def since(expr: str) -> str:
    """Seconds from a timestamp to now."""
    return f"time() - {expr}"


def _aggregated(how: str, expr: str, by: tuple[str, ...]) -> str:
    return f"{how} by ({', '.join(by)}) ({expr})" if by else f"{how}({expr})"


def _scope(metric: Metric) -> str:
    if "workflow" in metric.labels:
        return OF_WORKFLOW
    return OF_GROUP if "group" in metric.labels else OF_TARGET

"""The dashboard *Workflows*: how each workflow takes its events, and what became of those it did not take."""

from __future__ import annotations

from board_parts import (
    OPEN_OR_CLOSED,
    RED,
    TRANSPARENT,
    Column,
    PanelBuilder,
    Query,
    board,
    graph,
    listing,
    timeline,
)
from board_queries import OF_WORKFLOW_OR_NONE, least, most, quantile, rate, series, since, total
from grafana_foundation_sdk.builders import dashboard

from stream.telemetry import catalogue
from stream.telemetry.catalogue import Metric

QUANTILES = (0.5, 0.95, 0.99)


def workflows() -> dashboard.Dashboard:
    """The whole dashboard."""
    what = "How each workflow takes its events; choose one at the top."
    made = board("Workflows", "tray-stream-workflows", what, by_workflow=True)
    for title, panels in (("Delivery", _delivery()), ("Pace", _pace()), ("Not delivered", _endings())):
        made.with_row(dashboard.Row(title))
        for panel in panels:
            made.with_panel(panel)
    return made


def _delivery() -> list[PanelBuilder]:
    return [
        graph(
            "Deliveries",
            "Deliveries that ended, by outcome. Stale: the partition was given away meanwhile. Avoided: the commit's "
            "map had it as done.",
            "cps",
            Query(total(rate(catalogue.DELIVERIES), "outcome"), "{{outcome}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "Attempts by code",
            "Requests sent, by status code, or by the word for why there was none.",
            "reqps",
            Query(total(rate(catalogue.ATTEMPTS), "code"), "{{code}}"),
            width=12,
            stacked=True,
        ),
        _quantiles(
            "Event age at delivery",
            "Time from the record's timestamp to its delivery: what the workflow's users notice.",
            catalogue.EVENT_AGE,
        ),
        _quantiles(
            "Attempt duration",
            "Time of one request, from connecting to the end of the answer: how fast the workflow is.",
            catalogue.ATTEMPT_DURATION,
        ),
    ]


def _quantiles(title: str, description: str, metric: Metric) -> PanelBuilder:
    count = rate(metric, suffix="_count")
    mean = f"{total(rate(metric, suffix='_sum'))} / ({total(count)} > 0)"
    shares = [Query(quantile(share, metric), f"p{share * 100:.0f}") for share in QUANTILES]
    return graph(title, description, "s", *shares, Query(mean, "mean"), width=12)


def _pace() -> list[PanelBuilder]:
    return [
        timeline(
            "Gate",
            "Red: the workflow failed as a whole and was left alone but for probes.",
            Query(least(series(catalogue.GATE_OPEN), "group", "workflow"), "{{workflow}}"),
            OPEN_OR_CLOSED,
            width=12,
        ),
        listing(
            "Gate closed until",
            "Since when a closed gate is closed, and when the next probe is sent.",
            {"workflow": "Workflow", "group": "Group"},
            Column("Closed since", _moment(catalogue.GATE_CLOSED_SINCE), "dateTimeAsIsoNoDateIfToday"),
            Column("Next probe", _moment(catalogue.GATE_CLOSED_UNTIL), "dateTimeAsIsoNoDateIfToday"),
            width=12,
        ),
        graph(
            "In flight and its limit",
            "Requests sent and unanswered, and how many there may be at present, by round-trip times and push-back.",
            "short",
            Query(total(series(catalogue.IN_FLIGHT), "workflow"), "{{workflow}} in flight"),
            Query(total(series(catalogue.CONCURRENCY_LIMIT), "workflow"), "{{workflow}} limit"),
        ),
        graph(
            "Waiting",
            "Deliveries that wait for their turn or their next attempt.",
            "short",
            Query(total(series(catalogue.WAITING), "workflow"), "{{workflow}}"),
        ),
        graph(
            "Age of the oldest open event",
            "How late the workflow is. The objective is 15 minutes; no line while nothing is open.",
            "s",
            Query(most(since(series(catalogue.OLDEST_OPEN)), "workflow"), "{{workflow}}"),
            steps=[(None, TRANSPARENT), (900, RED)],
        ),
    ]


def _moment(metric: Metric) -> str:
    """A timestamp as Grafana's units of time want it, in milliseconds."""
    return f"{least(series(metric), 'group', 'workflow')} * 1000"


def _endings() -> list[PanelBuilder]:
    return [
        graph(
            "Dead letters by reason",
            "Dead letters that the broker acknowledged; invalid events belong to no workflow.",
            "cps",
            Query(total(rate(catalogue.DEAD_LETTERS, scope=OF_WORKFLOW_OR_NONE), "reason"), "{{reason}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "Held",
            "Events that end badly and may not be given up, and partitions that invalid records hold.",
            "short",
            Query(total(series(catalogue.HELD, scope=OF_WORKFLOW_OR_NONE), "workflow"), "{{workflow}}"),
            width=12,
        ),
        graph(
            "Filtered by reason",
            "Events that the workflow did not want; tombstones belong to no workflow.",
            "cps",
            Query(total(rate(catalogue.EVENTS_FILTERED, scope=OF_WORKFLOW_OR_NONE), "reason"), "{{reason}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "Since the last delivery",
            "Time since the workflow last took an event; grows on a quiet topic, too.",
            "s",
            Query(least(since(series(catalogue.LAST_DELIVERY)), "workflow"), "{{workflow}}"),
            width=12,
        ),
    ]
